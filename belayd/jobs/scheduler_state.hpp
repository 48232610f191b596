#pragma once
// The scheduler's inside: scheduler.cpp is its face to other threads; what runs on the runner's loop is in
// scheduler_state.cpp, and what concerns one claimed job in scheduler_attempts.cpp.
#include "base/task_group.hpp"
#include "belayd/jobs/adopted_children.hpp"
#include "belayd/jobs/attempt_metrics.hpp"
#include "belayd/jobs/handed_attempt.hpp"
#include "belayd/jobs/oom_events.hpp"
#include "belayd/jobs/scheduler.hpp"

#include <atomic>
#include <mutex>
#include <random>
#include <set>

namespace belay::jobs {

/** Wakes the coroutines of one executor that wait for something to change. */
class Changes {
public:
    using Clock = std::chrono::steady_clock;

    /** Returns when announced, at `deadline`, or for no reason at all. */
    [[nodiscard]] asio::awaitable<void> wait_until(Clock::time_point deadline);
    void announce();

private:
    std::set<asio::steady_timer*> waiting_;
};

struct Scheduler::State : std::enable_shared_from_this<State> {
    using Clock = std::chrono::steady_clock;
    static constexpr auto never = Clock::time_point::max();
    static constexpr std::chrono::seconds store_retry{1}; // while it is unavailable

    /** A claimed job until its result is stored. */
    struct Entry {
        Entry(
            ClaimedJob claimed, HookRules hook_rules, AttemptSpec spec, AdoptedChildren& adopted, const OomEvents& oom);
        Entry(HandedAttempt handed, AdoptedChildren& adopted, const OomEvents& oom);

        ClaimedJob job; // without its body: that is the runner's
        HookRules rules;
        AttemptRunner runner;
        std::string trace_id;
        Time started = now();
        Clock::time_point begun = Clock::now();
        bool resumed = false; // another Scheduler began it
        bool cancelled = false;
        bool ended = false; // its slot is free; the result is being stored
    };

    State(asio::io_context& runner, Store& s, daemon::Metrics& m, SchedulerRules r, std::set<pid_t> strangers);

    void start(std::vector<HandedAttempt> resumed);
    asio::awaitable<std::vector<HandedAttempt>> freeze(Clock::time_point deadline);
    asio::awaitable<void> apply(SchedulerRules new_rules);
    asio::awaitable<void> drain(Clock::time_point soft_deadline, std::function<void(std::size_t running)> report);
    asio::awaitable<std::optional<JobState>> cancel(Uuid job);
    asio::awaitable<std::optional<JobState>> retry(Uuid job, std::string hook);
    asio::awaitable<std::optional<std::pair<unsigned, LiveOutput>>> live_output(Uuid job);
    asio::awaitable<std::vector<RunningAttempt>> running_attempts();
    asio::awaitable<void> stop();
    void kill_all();
    void wake();

    // After a commit that queued jobs; the first on the store's thread. @return whether the second is to be posted
    bool note_queued(const std::vector<std::string>& hooks);
    void look_at_queued();

    asio::awaitable<void> dispatch();
    asio::awaitable<void> end_leftovers();
    asio::awaitable<Clock::time_point> claim_due();
    asio::awaitable<std::vector<ClaimedJob>> claim(std::size_t limit);
    asio::awaitable<void> cancel_orphans();
    asio::awaitable<void> pause(Clock::duration duration);
    asio::awaitable<void> reap_adopted();
    asio::awaitable<void> kill_strays();
    void admit(ClaimedJob job);
    void begin(std::unique_ptr<Entry> entry);
    void resume(HandedAttempt handed);
    std::vector<HandedAttempt> detach();
    asio::awaitable<void> run_attempt(Entry* entry);
    asio::awaitable<void> hand_back(ClaimedJob job, NextStep next);
    asio::awaitable<void> record(Uuid job, unsigned attempt, AttemptResult result, NextStep next);
    NextStep decide(const Entry& entry, const AttemptResult& result);
    void release_slot(Entry& entry);
    void forget(const Entry& entry);
    void look_at_hooks();

    [[nodiscard]] std::size_t free_slots() const;
    [[nodiscard]] HookRoom room() const { return {concurrency, used_by_hook}; }
    [[nodiscard]] bool idle() const { return entries.empty() && !claiming && handing_back == 0; }
    [[nodiscard]] bool quiet() const { return idle() && !asking && !ending_leftovers && calls == 0; }

    asio::io_context& io;
    Store& store;
    SchedulerRules rules;
    AttemptMetrics metrics;
    AdoptedChildren adopted;
    OomEvents oom;
    std::mt19937_64 random{std::random_device{}()};

    Changes changes;
    bool woken = false;          // look for jobs again
    bool orphans_pending = true; // jobs of hooks that are gone are to be cancelled
    bool asking = false;         // dispatch() waits for the store
    bool claiming = false;       // namely for a claim
    bool ending_leftovers = false;
    bool freezing = false;        // no claims, until it is frozen or goes on
    bool frozen = false;          // what ran is in other hands
    bool hurried = false;         // no more patience
    bool stopping = false;        // all coroutines are to end
    std::size_t handing_back = 0; // claimed too late
    std::size_t calls = 0;        // of cancel(), retry() and live_output()
    std::size_t used_slots = 0;
    std::shared_ptr<const HookRoom::Counts> concurrency; // of the rules
    HookRoom::Counts used_by_hook;
    Clock::time_point not_before{};    // no claim until then: processes cannot be started
    std::set<Uuid> cancelled_in_claim; // cancelled while the claim that took them was on its way
    std::map<Uuid, std::unique_ptr<Entry>> entries;

    std::atomic<std::size_t> running{0}; // entries.size()
    std::atomic<bool> paused{false};

    std::mutex queued_mutex;
    std::set<std::string> queued_hooks; // which have a job more; guarded by it

    TaskGroup tasks; // last: borrows the rest
};

} // namespace belay::jobs
