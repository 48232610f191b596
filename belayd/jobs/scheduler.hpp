#pragma once
#include "base/asio.hpp"
#include "belayd/jobs/attempt_runner.hpp"
#include "belayd/jobs/store.hpp"
#include "daemon/metrics.hpp"
#include "daemon/service.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace belay::jobs {

struct HandedAttempt;

/** What the scheduler needs to know of a hook; a queued job is run by the present hook's rules. */
struct HookRules {
    std::chrono::milliseconds timeout{600'000};
    unsigned attempts = 1;
    std::chrono::milliseconds backoff{10'000};
    std::chrono::milliseconds max_backoff{3'600'000};
    unsigned concurrency = 0; ///< 0: no bound of its own
    std::string directory;
    Bytes output_limit = 1_MiB;
    bool merges_output = false; ///< stderr is written to where stdout is
};

struct SchedulerRules {
    unsigned max_jobs = 1;
    std::chrono::milliseconds kill_grace{10'000};
    std::vector<std::pair<std::string, std::string>> base_environment; ///< the allow-list, already looked up
    std::map<std::string, HookRules> hooks;
    std::string files_directory = {}; ///< in which each attempt has a directory for its files
    Bytes free_space_floor = 0;       ///< that they leave there
};

/** One attempt that runs now, for the API and reports. */
struct RunningAttempt {
    Uuid job;
    std::string hook;
    unsigned attempt = 0;
    Time started;
};

/** The wait before attempt n+1: backoff × 2^(n-1), at most max_backoff, ±10 % jitter. @param random 0 ≤ random < 1 */
[[nodiscard]] std::chrono::milliseconds retry_delay(
    unsigned counted, std::chrono::milliseconds backoff, std::chrono::milliseconds max_backoff, double random);

/** Of a job that cannot be queued again: its hook is not configured any more. */
class HookIsGone : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/**
 * Decides what runs when: claims due jobs while slots, a hook's concurrency and the store's floor allow, runs each in
 * an AttemptRunner, records its outcome, retries by the hook's rules.
 *
 * Also reaps what belayd adopted as child subreaper, and kills what a dead predecessor's attempts left running.
 *
 * Lifetime: borrows store and loop; stop() or freeze() must have returned before it is destroyed.
 * Threads: confined to `runner`, the loop it is given; thread-safe where it says so.
 */
class Scheduler {
public:
    /** @param strangers processes that descend from this one and are not of its jobs */
    Scheduler(asio::io_context& runner, Store& store, daemon::Metrics& metrics, SchedulerRules rules,
        std::set<pid_t> strangers = {});
    ~Scheduler();
    Scheduler(const Scheduler&) = delete;
    Scheduler& operator=(const Scheduler&) = delete;
    Scheduler(Scheduler&&) = delete;
    Scheduler& operator=(Scheduler&&) = delete;

    /** Kills leftovers of recovered jobs, then begins to claim.  Thread-safe. */
    void start();

    /** Likewise, but first goes on with what another has let go of, be it more than the rules now let run. */
    void start(std::vector<HandedAttempt> resumed);

    /**
     * Lets go of what runs, for another Scheduler to start() with, in this process image or, after execve, in the
     * next.  Nothing is claimed any more; what is on its way to or from the store is waited for.  When it has returned,
     * nothing of this one runs: it may be destroyed, and stop() does nothing.  Meanwhile cancel() and retry() throw
     * StoreUnavailable.  Not while drain() or stop() is under way.  Any executor.
     *
     * To undo it, start() a Scheduler with the same attempts: as the next image does.
     * @throws std::runtime_error if the store has not taken the results by `deadline`: this one goes on by itself then
     */
    [[nodiscard]] asio::awaitable<std::vector<HandedAttempt>> freeze(
        std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max());

    /** New rules from a reload.  Jobs of hooks that are gone are cancelled with that reason.  Any executor. */
    [[nodiscard]] asio::awaitable<void> apply(SchedulerRules rules);

    /** No more claims.  Thread-safe. */
    void pause() noexcept;

    /**
     * Waits for running attempts; at `soft_deadline` or when hurry() is called interrupts the rest (TERM, kill_grace,
     * KILL; with hurry KILL at once) and requeues them.  Returns when none runs.  Any executor.
     * @param report called with the number that still run when it changes, on the runner's loop
     */
    [[nodiscard]] asio::awaitable<void> drain(
        std::chrono::steady_clock::time_point soft_deadline, std::function<void(std::size_t running)> report);

    /** Interrupts with KILL what still runs. Thread-safe. */
    void hurry() noexcept;

    /** Cancels a queued or running job. @return its state now; nothing if there is no such job.  Any executor. */
    [[nodiscard]] asio::awaitable<std::optional<JobState>> cancel(Uuid job);

    /** Queues a failed or cancelled job of `hook` again, now. @return its state now; nothing if there is no such job.
     *  Any executor. @throws HookIsGone */
    [[nodiscard]] asio::awaitable<std::optional<JobState>> retry(Uuid job, std::string hook);

    /** What an attempt that runs now has written; nothing if the job is not running: then the store has it.  Any
     *  executor. @throws StoreUnavailable if the store does not take it in time */
    [[nodiscard]] asio::awaitable<std::optional<std::pair<unsigned, LiveOutput>>> live_output(Uuid job);

    [[nodiscard]] asio::awaitable<std::vector<RunningAttempt>> running(); ///< any executor
    [[nodiscard]] std::size_t running_count() const noexcept;             ///< thread-safe

    /** Kills and requeues what runs, ends all coroutines.  Any executor. */
    [[nodiscard]] asio::awaitable<void> stop();

private:
    struct State;
    std::shared_ptr<State> state_; // shared with what it has posted
};

} // namespace belay::jobs
