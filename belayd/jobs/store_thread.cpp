#include "belayd/jobs/store_thread.hpp"

#include "base/probe.hpp"
#include "belayd/jobs/store.hpp"
#include "daemon/log.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace belay::jobs {
namespace {

// One transaction takes at most this much, so that its answers do not wait for ever more to join.
constexpr std::size_t batch_operations = 512;
constexpr Bytes batch_bytes = 8_MiB;

constexpr Bytes queue_bytes = 64_MiB; // more bodies than this do not wait in memory

constexpr const char* locked_reason = "the database is locked by another process";

bool is_full(const sqlite::Error& error)
{
    // SQLite says FULL for ENOSPC while it writes, IOERR for quotas, for the largest file that the file system or a
    // resource limit allows, and while it extends the shared memory.
    const int cause = error.system_errno();
    const bool no_space = cause == ENOSPC || cause == EDQUOT || cause == EFBIG;
    return error.primary() == SQLITE_FULL ||
           (error.primary() == SQLITE_IOERR && no_space && error.code() != SQLITE_IOERR_FSYNC &&
               error.code() != SQLITE_IOERR_DIR_FSYNC);
}

/** Errors of one operation, which the next may not have. */
bool is_of_the_operation(const sqlite::Error& error)
{
    switch (error.primary()) {
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
    case SQLITE_NOMEM:
        return true;
    default:
        return error.code() == SQLITE_IOERR_NOMEM;
    }
}

std::exception_ptr unavailable(const std::string& reason)
{
    return std::make_exception_ptr(StoreUnavailable{reason});
}

double seconds_since(std::chrono::steady_clock::time_point begin)
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

} // namespace

StoreThread::StoreThread(daemon::Threads& threads, StoreMetrics metrics, StoreTables tables, const StoreLimits& limits,
    StoreHealth& health, OnFailure on_failure)
    : limits_(limits), health_(health), on_failure_(std::move(on_failure)), metrics_(metrics),
      tables_(std::move(tables))
{
    page_size_ = static_cast<Bytes>(tables_->database().integer("PRAGMA page_size"));
    const auto on_commit = [](void* self, sqlite3*, const char*, int pages) {
        auto* thread = static_cast<StoreThread*>(self);
        thread->wal_bytes_ = static_cast<Bytes>(pages) * thread->page_size_;
        return SQLITE_OK;
    };
    (void)::sqlite3_wal_hook(tables_->database().handle(), on_commit, this);
    publish_counts();
    check_space();
    thread_ = threads.start("store", [this](daemon::Heartbeat& heartbeat) { run(heartbeat); });
}

StoreThread::~StoreThread()
{
    close();
}

void StoreThread::submit(std::shared_ptr<StoreOperation> operation)
{
    {
        const std::scoped_lock lock{mutex_};
        if (closing_)
            operation->error = unavailable("the store is closed");
        else if (queued_bytes_ != 0 && queued_bytes_ + operation->weight() > queue_bytes)
            operation->error = unavailable("events arrive faster than the disk takes them");
        else {
            queued_bytes_ += operation->weight();
            queue_.push_back(std::move(operation));
        }
    }
    if (operation)
        resume_all({std::move(operation)});
    else
        wake_.notify_one();
}

void StoreThread::on_queued(OnQueued callback)
{
    const std::scoped_lock lock{mutex_};
    on_queued_ = std::move(callback);
}

void StoreThread::on_ended(OnEnded callback)
{
    const std::scoped_lock lock{mutex_};
    on_ended_ = std::move(callback);
}

void StoreThread::close() noexcept
{
    {
        const std::scoped_lock lock{mutex_};
        closing_ = true;
    }
    wake_.notify_one();
    thread_.join();
}

void StoreThread::run(daemon::Heartbeat& heartbeat)
{
    for (;;) {
        auto batch = next_batch();
        heartbeat.beat();
        if (!batch.empty())
            execute(std::move(batch), heartbeat);
        if (!resting_)
            keep_up(heartbeat);
        const std::scoped_lock lock{mutex_};
        if (closing_ && queue_.empty())
            break;
    }
    shut_down(heartbeat);
}

StoreOperations StoreThread::next_batch()
{
    std::unique_lock lock{mutex_};
    auto until = Clock::now() + daemon::Heartbeat::interval;
    if (!resting_)
        until = std::min(until, next_prune_);
    wake_.wait_until(lock, until, [this] { return !queue_.empty() || closing_; });
    StoreOperations batch;
    Bytes bytes = 0;
    while (!queue_.empty() && batch.size() < batch_operations && bytes < batch_bytes) {
        bytes += queue_.front()->weight();
        batch.push_back(std::move(queue_.front()));
        queue_.pop_front();
    }
    queued_bytes_ -= bytes;
    return batch;
}

void StoreThread::execute(StoreOperations batch, daemon::Heartbeat& heartbeat)
{
    {
        // The statements too: they read pages that are not in the cache, and spill when it is full.
        const daemon::Heartbeat::DiskWait wait{heartbeat};
        locked_ = false;
        if (!commit_together(batch))
            commit_singly(batch);
    }
    answer(std::move(batch));
}

bool StoreThread::commit_together(const StoreOperations& batch)
{
    if (!health_.available())
        return false;
    const auto begin = Clock::now();
    try {
        tables_->begin();
        const Time time = now();
        for (const auto& operation : batch)
            operation->run(*tables_, time);
        commit(batch.size());
    } catch (const sqlite::Error& e) {
        tables_->rollback();
        handle(e);
        return false;
    } catch (const std::exception&) { // commit_singly() tells whose
        tables_->rollback();
        return false;
    }
    metrics_.commit_seconds.Observe(seconds_since(begin));
    metrics_.batch_events.Observe(static_cast<double>(batch.size()));
    return true;
}

void StoreThread::commit_singly(const StoreOperations& batch)
{
    const Time time = now();
    for (const auto& operation : batch)
        commit_one(*operation, time);
}

void StoreThread::commit_one(StoreOperation& operation, Time time)
{
    if (health_.failed() || (!health_.available() && operation.when_full() == StoreOperation::WhenFull::refuse)) {
        operation.error = unavailable(health_.reason());
        return;
    }
    if (locked_) { // each further try would wait as long as the first: PRAGMA busy_timeout
        operation.error = unavailable(locked_reason);
        return;
    }
    try {
        tables_->begin();
        operation.run(*tables_, time);
        commit(1);
    } catch (const sqlite::Error& e) {
        tables_->rollback();
        handle(e);
        operation.error =
            is_of_the_operation(e) ? std::current_exception() : unavailable(locked_ ? locked_reason : e.what());
    } catch (const std::exception&) {
        tables_->rollback();
        operation.error = std::current_exception();
    }
}

void StoreThread::commit(std::size_t operations)
{
    BELAY_PROBE(commit_start, operations);
    Committed now_done = tables_->commit();
    BELAY_PROBE(commit_end, operations);
    done_.queued_hooks.merge(now_done.queued_hooks);
    done_.ended_jobs.insert(done_.ended_jobs.end(), now_done.ended_jobs.begin(), now_done.ended_jobs.end());
}

void StoreThread::answer(StoreOperations done)
{
    publish_counts();
    const auto [hooks, ended] = std::exchange(done_, {});
    if (!ended.empty()) { // before whoever ended them goes on, and may tell all to wait no longer
        const std::scoped_lock lock{mutex_};
        if (on_ended_)
            on_ended_(ended);
    }
    resume_all(std::move(done));
    if (hooks.empty())
        return;
    const std::scoped_lock lock{mutex_};
    if (on_queued_)
        on_queued_({hooks.begin(), hooks.end()});
}

void StoreThread::handle(const sqlite::Error& error)
{
    if (is_of_the_operation(error))
        return;
    if (error.primary() == SQLITE_BUSY || error.primary() == SQLITE_LOCKED) {
        locked_ = true;
        log::warning("another process has locked the database, retrying", {{"path", limits_.path}});
    } else if (is_full(error)) {
        if (health_.available())
            log::error(
                "disk is full, accepting and starting nothing", {{"path", limits_.path}, {"error", error.what()}});
        health_.set_short_of_space(fmt::format("the disk is full: {}: {}", limits_.path, error.what()));
    } else if (health_.fail(fmt::format("the store failed: {}", error.what()))) {
        log::error("store failed", {{"path", limits_.path}, {"error", error.what()}, {"code", error.code()}});
        on_failure_(health_.reason());
    }
}

} // namespace belay::jobs
