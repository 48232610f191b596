// The life of a claimed job: from its claim to the result that the store has taken.
#include "base/trace_context.hpp"
#include "belayd/jobs/attempt_files.hpp"
#include "belayd/jobs/attempt_spec.hpp"
#include "belayd/jobs/next_step.hpp"
#include "belayd/jobs/scheduler_state.hpp"
#include "daemon/log.hpp"

#include <utility>

namespace belay::jobs {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto spawn_retry = 1s;     // while the kernel refuses processes
constexpr auto files_retry = 10s;    // while there is no room for a job's files: only that job waits
constexpr auto output_patience = 1s; // for the store to take a result

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

/** Counts a call as long as it lasts; freeze() waits for its end. */
struct Counted {
    Counted(std::size_t& number, Changes& announced) : calls(number), changes(announced) { ++calls; }
    ~Counted()
    {
        --calls;
        changes.announce();
    }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    Counted(Counted&&) = delete;
    Counted& operator=(Counted&&) = delete;

    std::size_t& calls;
    Changes& changes;
};

} // namespace

Scheduler::State::Entry::Entry(
    ClaimedJob claimed, HookRules hook_rules, AttemptSpec spec, AdoptedChildren& adopted, const OomEvents& oom)
    : job(std::move(claimed)), rules(std::move(hook_rules)), runner(std::move(spec), adopted, oom),
      trace_id(trace_id_of(job.traceparent))
{
}

Scheduler::State::Entry::Entry(HandedAttempt handed, AdoptedChildren& adopted, const OomEvents& oom)
    : job(std::move(handed.job)), rules(std::move(handed.rules)), runner(std::move(handed.run), adopted, oom),
      trace_id(trace_id_of(job.traceparent)), started(runner.started()), begun(handed.begun), resumed(true),
      cancelled(handed.cancelled)
{
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
    begin(std::make_unique<Entry>(std::move(job), hook->second, std::move(spec), adopted, oom));
}

void Scheduler::State::begin(std::unique_ptr<Entry> entry)
{
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
    if (job.attempt == 1 && !entry->resumed)
        counted.queue_wait->Observe(std::chrono::duration<double>(now() - job.enqueued).count());
    log::debug(entry->resumed ? "attempt resumed" : "attempt started",
        {{"job", job.job}, {"event", job.event}, {"hook", job.hook}, {"attempt", job.attempt},
            {"trace_id", entry->trace_id}});

    std::optional<AttemptResult> ended;
    std::string trouble;
    Clock::duration patience = spawn_retry;
    try {
        ended = co_await entry->runner.run();
    } catch (const FilesNotWritten& e) {
        trouble = e.what();
        patience = files_retry;
    } catch (const std::exception& e) { // no process, no memory, no descriptor: nor for any other job
        trouble = e.what();
        not_before = Clock::now() + spawn_retry;
    }
    const double duration = seconds(Clock::now() - entry->begun);
    entry->ended = true;
    counted.running->Decrement();
    if (trouble.empty() && !ended) { // in other hands
        release_slot(*entry);
        forget(*entry);
        co_return;
    }
    AttemptResult result = std::move(ended).value_or(AttemptResult{});

    NextStep next;
    if (!trouble.empty()) { // not the job's fault
        log::warning("attempt cannot be started, retrying",
            {{"job", job.job}, {"hook", job.hook}, {"attempt", job.attempt}, {"error", trouble}});
        result.outcome = Outcome::interrupted;
        result.detail = "cannot be started: " + trouble;
        result.started = result.finished = now();
        next = {JobState::queued, now() + std::chrono::duration_cast<Time::duration>(patience), {}};
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
    forget(*entry); // `job` with it
}

void Scheduler::State::forget(const Entry& entry)
{
    entries.erase(entries.find(entry.job.job));
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
        co_await pause(store_retry);
    }
}

asio::awaitable<std::optional<JobState>> Scheduler::State::cancel(Uuid job)
{
    if (freezing)
        throw StoreUnavailable{"belayd is being upgraded"};
    const Counted counted{calls, changes};
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

asio::awaitable<std::optional<JobState>> Scheduler::State::retry(Uuid job, std::string hook)
{
    if (freezing)
        throw StoreUnavailable{"belayd is being upgraded"};
    const Counted counted{calls, changes};
    if (!rules.hooks.contains(hook))
        throw HookIsGone{hook_is_gone};
    // The store has it before what a reload asks for from now on: that cancels it if its hook goes.
    co_return co_await store.retry(job);
}

asio::awaitable<std::optional<std::pair<unsigned, LiveOutput>>> Scheduler::State::live_output(Uuid job)
{
    const Counted counted{calls, changes};
    const Clock::time_point limit = Clock::now() + output_patience;
    for (;;) {
        const auto found = entries.find(job);
        if (found == entries.end())
            co_return std::nullopt;
        if (!found->second->ended)
            co_return std::pair{found->second->job.attempt, found->second->runner.output()};
        if (Clock::now() >= limit)
            throw StoreUnavailable{"the output has not been stored yet; try again"};
        co_await changes.wait_until(limit);
    }
}

asio::awaitable<std::vector<RunningAttempt>> Scheduler::State::running_attempts()
{
    std::vector<RunningAttempt> attempts;
    attempts.reserve(entries.size());
    for (const auto& [job, entry] : entries)
        attempts.push_back({job, entry->job.hook, entry->job.attempt, entry->started});
    co_return attempts;
}

} // namespace belay::jobs
