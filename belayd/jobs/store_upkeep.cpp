// What the store's thread does between transactions: checkpoints, retention, free space, what others read.
#include "belayd/jobs/store_thread.hpp"
#include "daemon/log.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace belay::jobs {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t prune_jobs = 200; // in one transaction: a few milliseconds
constexpr auto prune_interval = 10s;    // when nothing more was old enough
constexpr auto prune_pause = 20ms;      // at least, when more was
constexpr auto look_interval = 1s;
constexpr Bytes spare_bytes = 64_MiB; // free inside the file: kept for what comes next
constexpr Bytes vacuum_step = 4_MiB;

} // namespace

void StoreThread::keep_up(daemon::Heartbeat& heartbeat)
{
    checkpoint_if_due(heartbeat);
    prune_if_due(heartbeat);
    look_around_if_due(heartbeat);
}

void StoreThread::checkpoint_if_due(daemon::Heartbeat& heartbeat)
{
    if (wal_bytes_ + checkpoint_bytes < checkpoint_at_)
        checkpoint_at_ = checkpoint_bytes; // the log began anew, once its last reader had gone
    const Bytes due_at = checkpoint_soon_.exchange(false) ? 1 : checkpoint_at_;
    if (wal_bytes_ < due_at || health_.failed())
        return;
    const daemon::Heartbeat::DiskWait wait{heartbeat};
    int pages = 0;
    int copied = 0;
    auto* database = tables_->database().handle();
    errno = 0;
    const int code = ::sqlite3_wal_checkpoint_v2(database, nullptr, SQLITE_CHECKPOINT_PASSIVE, &pages, &copied);
    if (code != SQLITE_OK) {
        try {
            sqlite::throw_error(database, code, "checkpoint");
        } catch (const sqlite::Error& e) {
            handle(e);
        }
    }
    if (code == SQLITE_OK && pages == copied)
        wal_bytes_ = 0; // in effect: the next commit overwrites it from the beginning
    else
        checkpoint_at_ = wal_bytes_ + checkpoint_bytes; // a reader holds it
    gauges_.wal_bytes = wal_bytes_;
}

void StoreThread::prune_if_due(daemon::Heartbeat& heartbeat)
{
    const auto begin = Clock::now();
    if (begin < next_prune_ || health_.failed())
        return;
    const daemon::Heartbeat::DiskWait wait{heartbeat};
    const auto pruned = prune();
    const auto end = Clock::now();
    // A quarter of the time at most while there is much to delete, so that answers are not late for it.
    next_prune_ =
        end + (pruned == prune_jobs ? std::max<Clock::duration>(prune_pause, 3 * (end - begin)) : prune_interval);
}

std::size_t StoreThread::prune()
{
    locked_ = false;
    try {
        tables_->begin();
        const auto pruned = tables_->prune(now() - limits_.retention.load(), prune_jobs);
        commit(pruned);
        metrics_.pruned.Increment(static_cast<double>(pruned));
        publish_counts();
        return pruned;
    } catch (const sqlite::Error& e) {
        tables_->rollback();
        handle(e);
        if (health_.available() && !locked_) // else it has been said
            log::warning("finished jobs cannot be deleted, retrying", {{"path", limits_.path}, {"error", e.what()}});
        return 0;
    }
}

void StoreThread::look_around_if_due(daemon::Heartbeat& heartbeat)
{
    if (Clock::now() < next_look_ || health_.failed())
        return;
    next_look_ = Clock::now() + look_interval;
    const daemon::Heartbeat::DiskWait wait{heartbeat};
    try {
        check_space();
        give_back_pages();
        publish_oldest_ready();
    } catch (const sqlite::Error& e) {
        handle(e);
    } catch (const std::system_error& e) { // statvfs: the file system is gone, or ourselves from it
        if (health_.fail(e.what()))
            on_failure_(e.what());
    }
}

void StoreThread::check_space()
{
    const Bytes free = free_bytes(limits_.path);
    const Bytes floor = limits_.free_space_floor.load();
    gauges_.free_bytes = free;
    if (free < floor + wal_bytes_) { // the log is still to be copied into the database
        if (health_.available())
            log::error("free space is below the floor, accepting and starting nothing",
                {{"path", limits_.path}, {"free_bytes", free}, {"floor_bytes", floor}});
        health_.set_short_of_space(fmt::format("{} free at {}, less than store.free_space_floor ({})",
            format_byte_size(free / 1_MiB * 1_MiB), limits_.path, format_byte_size(floor)));
    } else if (!health_.available()) { // also after a full disk: the next write tells
        health_.clear_short_of_space();
        log::info("store takes writes again", {{"path", limits_.path}, {"free_bytes", free}});
    }
}

void StoreThread::give_back_pages()
{
    auto& database = tables_->database();
    const Bytes unused = static_cast<Bytes>(database.integer("PRAGMA freelist_count")) * page_size_;
    const Bytes size = static_cast<Bytes>(database.integer("PRAGMA page_count")) * page_size_;
    if (unused > std::max(spare_bytes, size / 4) || (!health_.available() && unused > vacuum_step))
        database.execute(fmt::format("PRAGMA incremental_vacuum({})", vacuum_step / page_size_));
}

void StoreThread::publish_counts()
{
    const auto& totals = tables_->counts().totals();
    for (std::size_t state = 0; state < job_states; ++state)
        gauges_.jobs[state].store(totals[state], std::memory_order_relaxed);
    gauges_.wal_bytes.store(wal_bytes_, std::memory_order_relaxed);
}

void StoreThread::publish_oldest_ready()
{
    auto oldest = tables_->oldest_ready(now());
    const std::scoped_lock lock{gauges_.mutex};
    gauges_.oldest_ready = std::move(oldest);
}

void StoreThread::shut_down(daemon::Heartbeat& heartbeat)
{
    const daemon::Heartbeat::DiskWait wait{heartbeat};
    // After an fsync error the log may be the only good copy: recovery at the next start decides, not the close.
    ::sqlite3* const database = tables_->database().handle();
    if (health_.failed())
        (void)::sqlite3_db_config(database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    else
        (void)::sqlite3_wal_checkpoint_v2(database, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
    tables_.reset();
}

} // namespace belay::jobs
