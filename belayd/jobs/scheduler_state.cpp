#include "belayd/jobs/scheduler_state.hpp"

#include "belayd/jobs/next_step.hpp"
#include "daemon/log.hpp"

#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <csignal>
#include <limits>

namespace belay::jobs {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto last_results = 2s;    // for the store to take them when all ends
constexpr auto leftovers_limit = 2s; // for what a dead predecessor left running to end
constexpr auto reap_interval = 5s;
constexpr auto longest_sleep = 60s;  // so that a step of the wall clock delays a retry no longer
constexpr auto disagreement = 100ms; // until the store is asked again if it has due jobs but gives none

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

Scheduler::State::State(
    asio::io_context& runner, Store& s, daemon::Metrics& m, SchedulerRules r, std::set<pid_t> strangers)
    : io(runner), store(s), rules(std::move(r)), metrics(m), adopted(std::move(strangers)),
      tasks(runner.get_executor(), log_task_error)
{
    look_at_hooks();
}

void Scheduler::State::look_at_hooks()
{
    HookRoom::Counts bounds;
    for (const auto& [hook, hook_rules] : rules.hooks) {
        (void)metrics.of(hook); // every hook's series are there from the start, so that the first event is an increase
        if (hook_rules.concurrency != 0)
            bounds.emplace(hook, hook_rules.concurrency);
    }
    concurrency = std::make_shared<const HookRoom::Counts>(std::move(bounds));
}

void Scheduler::State::start(std::vector<HandedAttempt> resumed)
{
    for (HandedAttempt& attempt : resumed)
        resume(std::move(attempt));
    tasks.spawn("dispatch", dispatch());
    tasks.spawn("reap adopted", reap_adopted());
}

void Scheduler::State::wake()
{
    woken = true;
    changes.announce();
}

bool Scheduler::State::note_queued(const std::vector<std::string>& hooks)
{
    const std::scoped_lock lock{queued_mutex};
    const bool first = queued_hooks.empty();
    queued_hooks.insert(hooks.begin(), hooks.end());
    return first;
}

/** A hook that is full has its turn when one of its jobs ends, however many are queued meanwhile. */
void Scheduler::State::look_at_queued()
{
    std::set<std::string> hooks;
    {
        const std::scoped_lock lock{queued_mutex};
        hooks.swap(queued_hooks);
    }
    if (std::ranges::any_of(hooks, [room = room()](const std::string& hook) { return room.left(hook) != 0; }))
        wake();
}

/** Returns earlier when everything is to end. */
asio::awaitable<void> Scheduler::State::pause(Clock::duration duration)
{
    const Clock::time_point end = Clock::now() + duration;
    while (!stopping && !hurried && Clock::now() < end)
        co_await changes.wait_until(end);
}

std::size_t Scheduler::State::free_slots() const
{
    return rules.max_jobs > used_slots ? rules.max_jobs - used_slots : 0;
}

/** Looks for due jobs whenever something gives reason to: a commit that queued some, a free slot, a job's time. */
asio::awaitable<void> Scheduler::State::dispatch()
{
    ending_leftovers = true;
    co_await end_leftovers();
    ending_leftovers = false;
    changes.announce(); // freeze() may wait for it
    bool available = true;
    while (!stopping) {
        woken = false;
        Clock::time_point next = never;
        const bool held = paused || freezing;
        if (!held && Clock::now() < not_before) {
            next = not_before;
        } else if (!held) {
            std::string trouble;
            asking = true;
            try {
                next = co_await claim_due();
            } catch (const std::exception& e) { // StoreUnavailable, and whatever else: jobs must go on
                trouble = e.what();
                next = Clock::now() + store_retry;
            }
            asking = false;
            changes.announce(); // freeze() may wait for it
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
    if (free == 0 || paused || freezing)
        co_return never;
    std::vector<ClaimedJob> claimed = co_await claim(free);
    const std::size_t count = claimed.size();
    for (ClaimedJob& job : claimed)
        admit(std::move(job));
    changes.announce(); // a drain may wait for the end of a claim
    if (count >= free || paused || freezing)
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

/** Ends what a predecessor that was killed left running, before its jobs run again. */
asio::awaitable<void> Scheduler::State::end_leftovers()
{
    const std::vector<Uuid> jobs = store.take_recovered().jobs;
    const Clock::time_point limit = Clock::now() + leftovers_limit;
    for (bool first = true; !jobs.empty() && !stopping && !hurried; first = false) {
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
        co_await pause(20ms);
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
    look_at_hooks();
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

asio::awaitable<void> Scheduler::State::stop()
{
    if (frozen)
        co_return; // nothing runs, and our children are somebody else's attempts
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
