#include "belayd/jobs/scheduler_state.hpp"

#include "base/trace_context.hpp"
#include "belayd/jobs/attempt_spec.hpp"
#include "belayd/jobs/next_step.hpp"
#include "daemon/log.hpp"

#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <csignal>

namespace belay::jobs {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto never = Clock::time_point::max();

constexpr auto store_retry = 1s;     // while it is unavailable
constexpr auto spawn_retry = 1s;     // while the kernel refuses processes
constexpr auto last_results = 2s;    // for the store to take them when all ends
constexpr auto leftovers_limit = 2s; // for what a dead predecessor left running to end
constexpr auto reap_interval = 5s;
constexpr auto longest_sleep = 60s;  // so that a step of the wall clock delays a retry no longer
constexpr auto disagreement = 100ms; // until the store is asked again if it has due jobs but gives none

std::string trace_id_of(const std::string& traceparent)
{
    const std::optional<TraceContext> trace = parse_traceparent(traceparent);
    return trace ? trace_id_text(*trace) : std::string{};
}

double seconds(Clock::duration duration)
{
    return std::chrono::duration<double>(duration).count();
}

void leave_output_out(AttemptResult& result, const std::string& reason)
{
    for (Captured* const stream : {&result.out, &result.err})
        *stream = {{}, stream->dropped + stream->text.size()};
    result.detail += (result.detail.empty() ? "" : "; ") + ("output not stored: " + reason);
}

std::string pids_of(const std::vector<std::pair<pid_t, Uuid>>& processes)
{
    std::string pids;
    for (const auto& [pid, job] : processes)
        pids += (pids.empty() ? "" : " ") + std::to_string(pid);
    return pids;
}

void log_task_error(std::string_view task, std::exception_ptr error)
{
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        log::error("unexpected exception in the scheduler", {{"task", task}, {"error", e.what()}});
    }
}

/** An element of a set for as long as a scope lasts: also one that a cancellation leaves. */
struct Listed {
    Listed(std::set<asio::steady_timer*>& timers, asio::steady_timer* timer) : set(timers), element(timer)
    {
        set.insert(element);
    }
    ~Listed() { set.erase(element); }
    Listed(const Listed&) = delete;
    Listed& operator=(const Listed&) = delete;
    Listed(Listed&&) = delete;
    Listed& operator=(Listed&&) = delete;

    std::set<asio::steady_timer*>& set;
    asio::steady_timer* element;
};

} // namespace

asio::awaitable<void> Changes::wait_until(Clock::time_point deadline)
{
    asio::steady_timer timer{co_await asio::this_coro::executor, deadline};
    const Listed listed{waiting_, &timer};
    error_code woken;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, woken));
}

void Changes::announce()
{
    for (asio::steady_timer* const timer : waiting_)
        timer->cancel();
}

Scheduler::State::Entry::Entry(
    ClaimedJob claimed, HookRules hook_rules, AttemptSpec spec, AdoptedChildren& adopted, const OomEvents& oom)
    : job(std::move(claimed)), rules(std::move(hook_rules)), runner(std::move(spec), adopted, oom),
      trace_id(trace_id_of(job.traceparent))
{
}

Scheduler::State::State(asio::io_context& runner, Store& s, daemon::Metrics& m, SchedulerRules r)
    : io(runner), store(s), rules(std::move(r)), metrics(m), tasks(runner.get_executor(), log_task_error)
{
    show_hooks();
}

/** Every hook's series are there from the start, so that the first event shows as an increase. */
void Scheduler::State::show_hooks()
{
    for (const auto& [hook, hook_rules] : rules.hooks)
        (void)metrics.of(hook);
}

void Scheduler::State::start()
{
    tasks.spawn("dispatch", dispatch());
    tasks.spawn("reap adopted", reap_adopted());
}

void Scheduler::State::wake()
{
    woken = true;
    changes.announce();
}

std::size_t Scheduler::State::free_slots() const
{
    return rules.max_jobs > used_slots ? rules.max_jobs - used_slots : 0;
}

std::map<std::string, unsigned> Scheduler::State::room() const
{
    std::map<std::string, unsigned> room;
    for (const auto& [hook, hook_rules] : rules.hooks) {
        if (hook_rules.concurrency == 0)
            continue;
        const auto used = used_by_hook.find(hook);
        const unsigned runs = used == used_by_hook.end() ? 0 : used->second;
        room[hook] = hook_rules.concurrency > runs ? hook_rules.concurrency - runs : 0;
    }
    return room;
}

/** Looks for due jobs whenever something gives reason to: a commit that queued some, a free slot, a job's time. */
asio::awaitable<void> Scheduler::State::dispatch()
{
    co_await end_leftovers();
    bool available = true;
    while (!stopping) {
        woken = false;
        Clock::time_point next = never;
        if (!paused && Clock::now() < not_before) {
            next = not_before;
        } else if (!paused) {
            std::string trouble;
            try {
                next = co_await claim_due();
            } catch (const std::exception& e) { // StoreUnavailable, and whatever else: jobs must go on
                trouble = e.what();
                next = Clock::now() + store_retry;
            }
            if (available && !trouble.empty())
                log::warning("jobs cannot be claimed, retrying", {{"error", trouble}});
            else if (!available && trouble.empty())
                log::info("jobs are claimed again");
            available = trouble.empty();
        }
        while (!stopping && !woken && Clock::now() < next)
            co_await changes.wait_until(next);
    }
}

/** @return when to look again, if nothing happens before */
asio::awaitable<Clock::time_point> Scheduler::State::claim_due()
{
    if (orphans_pending)
        co_await cancel_orphans();
    const std::size_t free = free_slots();
    if (free == 0 || paused)
        co_return never;
    std::vector<ClaimedJob> claimed = co_await claim(free);
    const std::size_t count = claimed.size();
    for (ClaimedJob& job : claimed)
        admit(std::move(job));
    changes.announce(); // a drain may wait for the end of a claim
    if (count >= free || paused)
        co_return never;
    const std::optional<Time> due = co_await store.next_due(room());
    if (!due)
        co_return never;
    const auto wait = std::clamp<Clock::duration>(*due - now(), count > 0 ? 0ms : disagreement, longest_sleep);
    co_return Clock::now() + wait;
}

asio::awaitable<std::vector<ClaimedJob>> Scheduler::State::claim(std::size_t limit)
{
    std::vector<ClaimedJob> claimed;
    cancelled_in_claim.clear();
    claiming = true;
    try {
        claimed = co_await store.claim(limit, room());
    } catch (...) {
        claiming = false;
        changes.announce();
        throw;
    }
    claiming = false;
    co_return claimed;
}

asio::awaitable<void> Scheduler::State::cancel_orphans()
{
    orphans_pending = false;
    std::size_t count = 0;
    try {
        for (std::size_t some = 1; some != 0 && !stopping; count += some) {
            std::set<std::string> keep; // anew: the rules may have changed since the last step
            for (const auto& [hook, hook_rules] : rules.hooks)
                keep.insert(hook);
            some = co_await store.cancel_orphans(std::move(keep), hook_is_gone);
        }
    } catch (...) {
        orphans_pending = true; // dispatch() tries again
        throw;
    }
    if (count > 0)
        log::warning("jobs cancelled", {{"jobs", count}, {"reason", hook_is_gone}});
}

/** Takes in a claimed job; if that came too late, gives it back. */
void Scheduler::State::admit(ClaimedJob job)
{
    const auto hook = rules.hooks.find(job.hook);
    NextStep back{JobState::queued, now(), {}};
    if (hook == rules.hooks.end())
        back = {JobState::cancelled, {}, hook_is_gone};
    else if (cancelled_in_claim.contains(job.job))
        back = {JobState::cancelled, {}, "cancelled"};
    else if (!paused)
        back.state = JobState::running;
    if (back.state != JobState::running) {
        ++handing_back;
        tasks.spawn("hand back", hand_back(std::move(job), std::move(back)));
        return;
    }

    AttemptSpec spec = make_attempt_spec(job, hook->second, rules);
    auto entry = std::make_unique<Entry>(std::move(job), hook->second, std::move(spec), adopted, oom);
    Entry* const added = entry.get();
    entries[added->job.job] = std::move(entry);
    running = entries.size();
    ++used_slots;
    ++used_by_hook[added->job.hook];
    tasks.spawn("attempt", run_attempt(added));
}

asio::awaitable<void> Scheduler::State::hand_back(ClaimedJob job, NextStep next)
{
    AttemptResult result;
    result.outcome = Outcome::interrupted;
    result.detail = next.state == JobState::queued ? "belayd is stopping" : next.reason;
    result.started = result.finished = now();
    co_await record(job.job, job.attempt, std::move(result), std::move(next));
    --handing_back;
    changes.announce();
}

asio::awaitable<void> Scheduler::State::run_attempt(Entry* entry)
{
    const ClaimedJob& job = entry->job;
    AttemptMetrics::Hook& counted = metrics.of(job.hook);
    counted.running->Increment();
    if (job.attempt == 1)
        counted.queue_wait->Observe(std::chrono::duration<double>(now() - job.enqueued).count());
    log::debug("attempt started", {{"job", job.job}, {"event", job.event}, {"hook", job.hook}, {"attempt", job.attempt},
                                      {"trace_id", entry->trace_id}});

    const Clock::time_point begin = Clock::now();
    AttemptResult result;
    std::string trouble;
    try {
        result = (co_await entry->runner.run()).value();
    } catch (const std::exception& e) {
        trouble = e.what();
    }
    const double duration = seconds(Clock::now() - begin);
    entry->ended = true;
    counted.running->Decrement();

    NextStep next;
    if (!trouble.empty()) { // no process, no memory, no descriptor: not the job's fault
        log::warning("attempt cannot be started, retrying",
            {{"job", job.job}, {"hook", job.hook}, {"attempt", job.attempt}, {"error", trouble}});
        not_before = Clock::now() + spawn_retry;
        result.outcome = Outcome::interrupted;
        result.detail = "cannot be started: " + trouble;
        result.started = result.finished = now();
        next = {JobState::queued, now() + spawn_retry, {}};
    } else {
        next = decide(*entry, result);
        counted.duration->Observe(duration);
        log::info("attempt finished",
            {{"job", job.job}, {"event", job.event}, {"hook", job.hook}, {"attempt", job.attempt},
                {"trace_id", entry->trace_id}, {"outcome", to_string(result.outcome)},
                {"exit_status", result.exit_status}, {"signal", result.signal}, {"duration_seconds", duration}});
    }
    counted.attempts[static_cast<std::size_t>(result.outcome)]->Increment();
    if (next.state == JobState::failed)
        log::warning(
            "job failed", {{"job", job.job}, {"event", job.event}, {"hook", job.hook}, {"attempt", job.attempt},
                              {"trace_id", entry->trace_id}, {"reason", next.reason}});

    release_slot(*entry); // before the result is stored: the next claim shares its commit
    co_await record(job.job, job.attempt, std::move(result), std::move(next));
    entries.erase(entries.find(job.job)); // `entry` and `job` with it
    running = entries.size();
    wake(); // perhaps it is to run again
}

NextStep Scheduler::State::decide(const Entry& entry, const AttemptResult& result)
{
    if (entry.cancelled && result.outcome != Outcome::succeeded)
        return {JobState::cancelled, {}, "cancelled"};
    const auto present = rules.hooks.find(entry.job.hook);
    const bool gone = present == rules.hooks.end();
    const double jitter = std::uniform_real_distribution<double>{}(random);
    NextStep next = next_step(entry.job.counted, result, gone ? entry.rules : present->second, now(), jitter);
    if (gone && next.state == JobState::queued)
        return {JobState::cancelled, {}, hook_is_gone};
    return next;
}

void Scheduler::State::release_slot(Entry& entry)
{
    --used_slots;
    if (--used_by_hook[entry.job.hook] == 0)
        used_by_hook.erase(entry.job.hook);
    wake();
}

/** Stores a result, however long the store is unavailable: the job must not run again for that. */
asio::awaitable<void> Scheduler::State::record(Uuid job, unsigned attempt, AttemptResult result, NextStep next)
{
    bool warned = false;
    bool without_output = false;
    for (;;) {
        std::string trouble;
        bool refused = false; // this result, not the store as such: the next try would be too
        try {
            if (!co_await store.finish(job, attempt, result, next))
                log::warning(
                    "the job is no longer at this attempt, ignoring its result", {{"job", job}, {"attempt", attempt}});
            co_return;
        } catch (const StoreUnavailable& e) {
            trouble = e.what();
        } catch (const std::exception& e) {
            trouble = e.what();
            refused = true;
        }
        if (refused ? without_output : stopping || hurried) {
            log::error("the result of an attempt cannot be stored: the next start counts it as lost",
                {{"job", job}, {"attempt", attempt}, {"error", trouble}});
            co_return;
        }
        if (!std::exchange(warned, true))
            log::warning("the result of an attempt cannot be stored, retrying",
                {{"job", job}, {"attempt", attempt}, {"error", trouble}});
        if (refused) {
            leave_output_out(result, trouble);
            without_output = true;
            continue;
        }
        const Clock::time_point again = Clock::now() + store_retry;
        while (!stopping && !hurried && Clock::now() < again)
            co_await changes.wait_until(again);
    }
}

/** Ends what a predecessor that was killed left running, before its jobs run again. */
asio::awaitable<void> Scheduler::State::end_leftovers()
{
    const std::vector<Uuid>& jobs = store.recovered().jobs;
    const Clock::time_point limit = Clock::now() + leftovers_limit;
    for (bool first = true; !jobs.empty() && !stopping; first = false) {
        const std::vector<std::pair<pid_t, Uuid>> killed = kill_leftovers(jobs);
        if (killed.empty())
            co_return;
        if (first)
            for (const auto& [pid, job] : killed)
                log::warning("process of a dead predecessor killed", {{"job", job}, {"pid", pid}});
        if (Clock::now() >= limit) {
            log::warning("processes of a dead predecessor cannot be killed, ignoring", {{"pids", pids_of(killed)}});
            co_return;
        }
        co_await changes.wait_until(Clock::now() + 20ms);
    }
}

asio::awaitable<void> Scheduler::State::reap_adopted()
{
    Clock::time_point next = Clock::now() + reap_interval;
    while (!stopping) {
        co_await changes.wait_until(next);
        if (Clock::now() < next)
            continue;
        adopted.reap();
        next = Clock::now() + reap_interval;
    }
}

/** What cleared its environment and was adopted while other attempts ran. */
asio::awaitable<void> Scheduler::State::kill_strays()
{
    const Clock::time_point limit = Clock::now() + 1s;
    for (std::vector<pid_t> strays = adopted.strays(); !strays.empty() && Clock::now() < limit;
        strays = adopted.strays()) {
        for (const pid_t pid : strays)
            (void)::kill(pid, SIGKILL);
        co_await changes.wait_until(Clock::now() + 1ms);
    }
}

void Scheduler::State::kill_all()
{
    for (const auto& [job, entry] : entries)
        entry->runner.kill(AttemptRunner::Stop::interrupt);
    wake();
}

asio::awaitable<void> Scheduler::State::apply(SchedulerRules new_rules)
{
    rules = std::move(new_rules);
    show_hooks();
    orphans_pending = true;
    wake();
    try {
        co_await cancel_orphans();
    } catch (const StoreUnavailable& e) {
        log::warning("jobs of hooks that are gone cannot be cancelled, retrying", {{"error", e.what()}});
    }
}

asio::awaitable<void> Scheduler::State::drain(
    Clock::time_point soft_deadline, std::function<void(std::size_t running)> report)
{
    paused = true;
    bool interrupted = false;
    for (std::size_t reported = 0; !idle();) {
        if (entries.size() != reported && report)
            report(entries.size());
        reported = entries.size();
        if (!interrupted && Clock::now() >= soft_deadline) {
            interrupted = true;
            for (const auto& [job, entry] : entries)
                entry->runner.stop(AttemptRunner::Stop::interrupt);
        }
        co_await changes.wait_until(interrupted ? never : soft_deadline);
    }
}

asio::awaitable<std::optional<JobState>> Scheduler::State::cancel(Uuid job)
{
    for (;;) {
        const auto found = entries.find(job);
        if (found == entries.end())
            break;
        if (!found->second->ended) {
            found->second->cancelled = true;
            found->second->runner.stop(AttemptRunner::Stop::cancel);
            co_return JobState::running;
        }
        co_await changes.wait_until(never); // until it is stored what became of it: perhaps it is queued again
    }
    if (claiming)
        cancelled_in_claim.insert(job);
    co_return co_await store.cancel(job, "cancelled");
}

asio::awaitable<std::optional<std::pair<unsigned, LiveOutput>>> Scheduler::State::live_output(Uuid job)
{
    const auto found = entries.find(job);
    if (found == entries.end() || found->second->ended)
        co_return std::nullopt;
    co_return std::pair{found->second->job.attempt, found->second->runner.output()};
}

asio::awaitable<std::vector<RunningAttempt>> Scheduler::State::running_attempts()
{
    std::vector<RunningAttempt> attempts;
    for (const auto& [job, entry] : entries)
        attempts.push_back({job, entry->job.hook, entry->job.attempt, entry->started});
    co_return attempts;
}

asio::awaitable<void> Scheduler::State::stop()
{
    const auto has_ended = [](const auto& item) { return item.second->ended; };
    store.on_queued({});
    stopping = true;
    paused = true;
    kill_all();
    Clock::time_point limit = never;
    while (!idle()) {
        if (limit == never && std::all_of(entries.begin(), entries.end(), has_ended))
            limit = Clock::now() + last_results;
        if (Clock::now() >= limit) { // a full disk: the store holds what it cannot write until it is closed
            store.close();
            limit = Clock::now() + last_results;
        }
        co_await changes.wait_until(limit);
    }
    co_await tasks.wait_until_empty();
    co_await kill_strays();
}

} // namespace belay::jobs
