#pragma once
#include "base/asio.hpp"
#include "base/byte_size.hpp"
#include "base/unique_fd.hpp"
#include "belayd/jobs/hook_room.hpp"
#include "belayd/jobs/job.hpp"
#include "belayd/jobs/job_counts.hpp"
#include "daemon/metrics.hpp"
#include "daemon/threads.hpp"

#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace belay::jobs {

/** The store cannot take writes now (disk full, floor reached, failed): answer 503. */
class StoreUnavailable : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/** As many jobs of a hook are queued as may be: answer 503. */
class QueueFull : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/** What the predecessor knew. */
struct ResumedStore {
    std::set<std::pair<Uuid, unsigned>> attempts; ///< by job and number: they run on and are not lost
    JobCounts::ByHook counts;                     ///< from its freeze(): however many jobs there are, none is looked at
};

struct StoreOptions {
    std::string path; ///< of the SQLite file
    std::chrono::milliseconds retention{7 * 86'400'000LL};
    Bytes free_space_floor = 64_MiB;
    std::string boot_id;     ///< of this daemon's life: marks the attempts it runs
    Bytes page_size = 8_KiB; ///< of a new database, 512 bytes to 64 KiB; measured in tests/bench/store_bench.cpp
    Bytes outside = 4_KiB;   ///< from this size on bodies are kept beside the database; tests/bench/body_bench.cpp
    /** After an upgrade, whose predecessor had the database open until now.  What follows a crash, reading all of a
     *  small database, is not done. */
    std::optional<ResumedStore> resumed{};
};

/** What open() found left over by a predecessor that died: what it handed over is not. */
struct Recovered {
    std::vector<Uuid> jobs; ///< were running: their attempts are recorded as lost, the jobs requeued or failed
};

/**
 * The durable queue: one SQLite database, one read-write connection on the thread "store".
 *
 * Every write is queued to that thread, which puts whatever is waiting into one transaction and one sync (group
 * commit); an awaiting caller resumes on its own executor after the sync.  WAL, synchronous=FULL, both read back after
 * being set. After an I/O error on a commit nothing is acknowledged any more and `on_failure` is called once: the
 * daemon must exit (reference: fsync errors cannot be retried on Linux).
 *
 * Lifetime: close() ends the thread after what is queued; later calls throw StoreUnavailable.
 * Threads: the awaitables may be awaited on any executor; the rest is thread-safe where it says so.
 */
class Store {
public:
    /**
     * Opens or creates the database, checks its schema (`user_version`), records running attempts that are not resumed
     * as lost, and starts the thread.
     * @throws daemon::StartError (69) for a database that cannot be opened, is corrupt, or has a newer schema
     */
    Store(daemon::Threads& threads, daemon::Metrics& metrics, StoreOptions options,
        std::function<void(std::string reason)> on_failure);
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;
    Store(Store&&) = delete;
    Store& operator=(Store&&) = delete;

    /** What the constructor found, once: nothing the next time, for those jobs may run again by then.  Threads: one
     *  caller at a time. */
    [[nodiscard]] Recovered take_recovered() noexcept;

    /** Called on the store's thread after a commit that queued jobs, with their hooks: wakes the scheduler. */
    void on_queued(std::function<void(const std::vector<std::string>& hooks)> callback);

    /** Called on the store's thread after a commit that ended jobs, for whoever waits for them. */
    void on_ended(std::function<void(const std::vector<Uuid>& jobs)> callback);

    /**
     * Stores event and job in one transaction.  Resumes after the sync.  A known delivery id of that hook is a
     * duplicate; if its job failed or was cancelled, a new attempt of that job is queued instead.
     * @throws StoreUnavailable; QueueFull, exactly: max_queued is looked at where nobody else writes
     */
    [[nodiscard]] asio::awaitable<Accepted> accept(NewEvent event);

    /** Likewise all of them, each of another hook, in one transaction, or none. */
    [[nodiscard]] asio::awaitable<std::vector<Accepted>> accept(std::vector<NewEvent> events);

    /**
     * Claims up to `limit` due jobs, the longest enqueued first, and records an attempt of each as running; fewer if
     * their bodies are large, but one at least.  None while the disk is full or below the floor.
     */
    [[nodiscard]] asio::awaitable<std::vector<ClaimedJob>> claim(std::size_t limit, HookRoom room);

    /**
     * Ends attempt `attempt` of `job`.  Does nothing and returns false if that attempt is not the running one.  Tried
     * below the free-space floor too, which is there for it.
     * @throws StoreUnavailable if even that had no room: try again
     */
    [[nodiscard]] asio::awaitable<bool> finish(Uuid job, unsigned attempt, AttemptResult result, NextStep next);

    /** Cancels a queued job. @return its state now; nothing if there is no such job.  A running one stays running. */
    [[nodiscard]] asio::awaitable<std::optional<JobState>> cancel(Uuid job, std::string reason);

    /** Queues a failed or cancelled job again, now. @return its state now; nothing if there is no such job. */
    [[nodiscard]] asio::awaitable<std::optional<JobState>> retry(Uuid job);

    /** Cancels some of the queued jobs whose hook `keep` does not have. @return how many: 0 once there are none */
    [[nodiscard]] asio::awaitable<std::size_t> cancel_orphans(std::set<std::string> keep, std::string reason);

    /** When the next queued job becomes due, of hooks that have room; nothing if none waits. */
    [[nodiscard]] asio::awaitable<std::optional<Time>> next_due(HookRoom room);

    /**
     * Checkpoints now what is not due yet, so that close() finds little left to do.
     * @throws StoreUnavailable if it is still at work at `deadline`: it goes on by itself then
     */
    [[nodiscard]] asio::awaitable<void> checkpoint(std::chrono::steady_clock::time_point deadline);

    /**
     * Brings the thread to rest: when this returns, it neither syncs nor checkpoints nor prunes any more, and does not
     * until thaw() or close() except for what it is asked to.  Repeating is fine.
     * @return the jobs there are, for the next image's ResumedStore
     * @throws StoreUnavailable if it is still at work at `deadline`: it goes on by itself then
     */
    [[nodiscard]] asio::awaitable<JobCounts::ByHook> freeze(std::chrono::steady_clock::time_point deadline);

    /** Goes on after freeze().  Thread-safe. */
    void thaw() noexcept;

    /** Changes retention and floor. Thread-safe. */
    void reconfigure(std::chrono::milliseconds retention, Bytes free_space_floor);

    /** "" while it takes writes; else why not, one sentence.  Thread-safe. */
    [[nodiscard]] std::string unavailable() const;

    /** First enqueue of the oldest job that is due, by hook; hooks with none are left out.  Thread-safe, for metrics:
     *  refreshed by the store's thread at least every 5 s. */
    [[nodiscard]] std::map<std::string, Time> oldest_ready() const;

    /** Jobs by state, kept in memory.  Thread-safe. */
    [[nodiscard]] std::array<std::uint64_t, job_states> counts() const;

    /** Commits what is queued, checkpoints, closes, joins the thread.  Repeating is fine. */
    void close() noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

/** Holds something against a second daemon: an flock(2) on a file, which names the holder. */
class StateLock {
public:
    /** @throws daemon::StartError (69) that names the pid of the holder */
    [[nodiscard]] static StateLock of_directory(const std::string& state_dir); ///< state_dir/lock
    [[nodiscard]] static StateLock of_store(const std::string& path); ///< PATH-lock: a store may be in no state_dir

    /** Goes on holding what another has released, before or after execve. */
    explicit StateLock(UniqueFd held) noexcept : fd_(std::move(held)) {}
    ~StateLock() = default; // the file stays: removing it would race with the next holder
    StateLock(const StateLock&) = delete;
    StateLock& operator=(const StateLock&) = delete;
    StateLock(StateLock&&) noexcept = default;
    StateLock& operator=(StateLock&&) noexcept = default;

    /** Gives up the descriptor; the lock is held as long as that is open, here or in the next process image. */
    [[nodiscard]] UniqueFd release() noexcept { return std::move(fd_); }

private:
    StateLock(const std::string& file, const std::string& what);

    UniqueFd fd_;
};

} // namespace belay::jobs
