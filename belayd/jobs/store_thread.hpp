#pragma once
#include "belayd/jobs/store_health.hpp"
#include "belayd/jobs/store_metrics.hpp"
#include "belayd/jobs/store_operation.hpp"
#include "belayd/jobs/store_tables.hpp"
#include "daemon/threads.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>

namespace belay::jobs {

/** Where things are and how much may be kept; the atomics may change at any time. */
struct StoreLimits {
    std::string path;
    std::atomic<std::chrono::milliseconds> retention;
    std::atomic<Bytes> free_space_floor;
};

/**
 * The thread "store": takes what has queued up, runs it in one transaction, syncs once, resumes those who waited; then
 * checkpoints, prunes and looks at the free space.
 *
 * Lifetime: borrows limits and health.  Threads: submit(), gauges(), rest(), on_queued() and on_ended() are
 * thread-safe.
 */
class StoreThread {
public:
    using OnFailure = std::function<void(std::string reason)>;
    using OnQueued = std::function<void(const std::vector<std::string>& hooks)>;
    using OnEnded = std::function<void(const std::vector<Uuid>& jobs)>;

    StoreThread(daemon::Threads& threads, StoreMetrics metrics, StoreTables tables, const StoreLimits& limits,
        StoreHealth& health, OnFailure on_failure);
    ~StoreThread();
    StoreThread(const StoreThread&) = delete;
    StoreThread& operator=(const StoreThread&) = delete;
    StoreThread(StoreThread&&) = delete;
    StoreThread& operator=(StoreThread&&) = delete;

    /** Queues it; resumes it with StoreUnavailable if that cannot be. */
    void submit(std::shared_ptr<StoreOperation> operation);

    void on_queued(OnQueued callback);
    void on_ended(OnEnded callback);

    /** Whether it does nothing but what is submitted: for good once an operation submitted after that is over. */
    void rest(bool resting) noexcept { resting_ = resting; }

    /** The next upkeep checkpoints, due or not. */
    void checkpoint_soon() noexcept { checkpoint_soon_ = true; }

    [[nodiscard]] const StoreGauges& gauges() const noexcept { return gauges_; }

    /** Ends the thread after what is queued, checkpoints, closes the database.  Repeating is fine. */
    void close() noexcept;

private:
    using Clock = std::chrono::steady_clock;
    static constexpr Bytes checkpoint_bytes = 4_MiB; ///< of log: small ones keep the longest answer short

    void run(daemon::Heartbeat& heartbeat);
    [[nodiscard]] StoreOperations next_batch();
    void execute(StoreOperations batch, daemon::Heartbeat& heartbeat);
    [[nodiscard]] bool commit_together(const StoreOperations& batch);
    void commit_singly(const StoreOperations& batch);
    void commit_one(StoreOperation& operation, Time now);
    void commit(std::size_t operations);
    void answer(StoreOperations done);
    void handle(const sqlite::Error& error);

    void keep_up(daemon::Heartbeat& heartbeat);
    void checkpoint_if_due(daemon::Heartbeat& heartbeat);
    void prune_if_due(daemon::Heartbeat& heartbeat);
    [[nodiscard]] std::size_t prune();
    void look_around_if_due(daemon::Heartbeat& heartbeat);
    void check_space();
    void give_back_pages();
    void publish_oldest_ready();
    void publish_counts();
    void shut_down(daemon::Heartbeat& heartbeat);

    const StoreLimits& limits_;
    StoreHealth& health_;
    const OnFailure on_failure_;
    StoreMetrics metrics_;
    StoreGauges gauges_;
    std::atomic<bool> resting_{false}; // nothing is due
    std::atomic<bool> checkpoint_soon_{false};

    std::mutex mutex_; // guards the next six
    std::condition_variable wake_;
    std::deque<std::shared_ptr<StoreOperation>> queue_;
    Bytes queued_bytes_ = 0;
    bool closing_ = false;
    OnQueued on_queued_;
    OnEnded on_ended_;

    // The rest is confined to the thread.
    std::optional<StoreTables> tables_;
    Committed done_;      // by the batch
    bool locked_ = false; // by another process, while the batch ran
    Bytes page_size_ = 0;
    Bytes wal_bytes_ = 0; // set by SQLite's hook after each commit
    Bytes checkpoint_at_ = checkpoint_bytes;
    Clock::time_point next_look_{};
    Clock::time_point next_prune_{};

    daemon::Thread thread_; // last: uses all of the above
};

} // namespace belay::jobs
