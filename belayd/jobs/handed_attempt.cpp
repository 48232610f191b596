#include "belayd/jobs/handed_attempt.hpp"

#include <boost/json/value_to.hpp>
#include <fmt/format.h>

#include <sys/wait.h>

#include <string_view>
#include <utility>

namespace belay::jobs {
namespace {

namespace json = boost::json;
using daemon::Handover;
using Clock = std::chrono::steady_clock;

template <class Number>
Number number(const json::object& from, std::string_view key)
{
    return from.at(key).to_number<Number>();
}

template <class Duration>
Duration duration(const json::object& from, std::string_view key)
{
    return Duration{number<typename Duration::rep>(from, key)};
}

std::string text(const json::object& from, std::string_view key)
{
    const json::string& found = from.at(key).as_string();
    return {found.data(), found.size()};
}

Uuid uuid(const json::object& from, std::string_view key)
{
    const std::optional<Uuid> found = parse_uuid(text(from, key));
    if (!found)
        throw daemon::HandoverError{fmt::format("{} is no id", key)};
    return *found;
}

// CLOCK_MONOTONIC, which execve does not touch.
std::int64_t count_of(Clock::time_point time)
{
    return time.time_since_epoch().count();
}

json::object give_stream(HandedStream stream, Handover& handover)
{
    json::object made{
        {"pipe", nullptr}, {"text", std::move(stream.captured.text)}, {"dropped", stream.captured.dropped}};
    if (stream.pipe)
        made["pipe"] = handover.give(std::move(stream.pipe));
    return made;
}

HandedStream take_stream(const json::object& from, Handover& handover)
{
    HandedStream stream{{}, {text(from, "text"), number<std::uint64_t>(from, "dropped")}};
    if (const json::value& pipe = from.at("pipe"); !pipe.is_null())
        stream.pipe = handover.take(pipe);
    return stream;
}

json::object give_rules(const HookRules& rules)
{
    return {{"timeout_ms", rules.timeout.count()}, {"attempts", rules.attempts}, {"backoff_ms", rules.backoff.count()},
        {"max_backoff_ms", rules.max_backoff.count()}, {"concurrency", rules.concurrency},
        {"directory", rules.directory}, {"output_limit", rules.output_limit}};
}

HookRules take_rules(const json::object& from)
{
    HookRules rules;
    rules.timeout = duration<std::chrono::milliseconds>(from, "timeout_ms");
    rules.attempts = number<unsigned>(from, "attempts");
    rules.backoff = duration<std::chrono::milliseconds>(from, "backoff_ms");
    rules.max_backoff = duration<std::chrono::milliseconds>(from, "max_backoff_ms");
    rules.concurrency = number<unsigned>(from, "concurrency");
    rules.directory = text(from, "directory");
    rules.output_limit = number<Bytes>(from, "output_limit");
    return rules;
}

json::object give_job(const ClaimedJob& job)
{
    return {{"id", to_string(job.job)}, {"event", to_string(job.event)}, {"hook", job.hook}, {"attempt", job.attempt},
        {"counted", job.counted}, {"enqueued_us", job.enqueued.time_since_epoch().count()},
        {"traceparent", job.traceparent}};
}

ClaimedJob take_job(const json::object& from)
{
    ClaimedJob job;
    job.job = uuid(from, "id");
    job.event = uuid(from, "event");
    job.hook = text(from, "hook");
    job.attempt = number<unsigned>(from, "attempt");
    job.counted = number<unsigned>(from, "counted");
    job.enqueued = Time{duration<Time::duration>(from, "enqueued_us")};
    job.traceparent = text(from, "traceparent");
    return job;
}

json::object give_run(HandedRun run, Handover& handover)
{
    json::object made{{"directory", run.spec.directory}, {"output_limit", run.spec.output_limit},
        {"timeout_ms", run.spec.timeout.count()}, {"kill_grace_ms", run.spec.kill_grace.count()},
        {"started_us", run.started.time_since_epoch().count()}, {"next_step_ns", count_of(run.next_step)},
        {"oom_before", nullptr}, {"ended_by", static_cast<unsigned>(run.ended_by)}, {"at_once", run.at_once},
        {"killed", run.killed}};
    if (run.oom_before)
        made["oom_before"] = *run.oom_before;
    made["out"] = give_stream(std::move(run.out), handover);
    made["err"] = give_stream(std::move(run.err), handover);
    made["pidfd"] = handover.give(run.child.take_pidfd());
    made["files"] = run.files.directory();
    made["pid"] = run.child.release(); // last: what throws before ends the attempt
    (void)run.files.release();
    return made;
}

/** A child of ours, by whose number others can be signalled and waited for. */
Child take_child(const json::object& from, Handover& handover)
{
    const pid_t pid = number<pid_t>(from, "pid");
    siginfo_t info{};
    if (pid <= 1 || ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0)
        throw daemon::HandoverError{fmt::format("process {} is no child of ours", pid)};
    return Child{pid, handover.take(from.at("pidfd"))};
}

EndedBy take_cause(const json::object& from)
{
    const auto cause = number<unsigned>(from, "ended_by");
    if (cause > static_cast<unsigned>(EndedBy::cancel))
        throw daemon::HandoverError{fmt::format("{} is no cause of an end", cause)};
    return static_cast<EndedBy>(cause);
}

AttemptSpec take_spec(const json::object& from, const ClaimedJob& job)
{
    AttemptSpec spec;
    spec.job = job.job;
    spec.event = job.event;
    spec.hook = job.hook;
    spec.attempt = job.attempt;
    spec.directory = text(from, "directory");
    spec.output_limit = number<Bytes>(from, "output_limit");
    spec.timeout = duration<std::chrono::milliseconds>(from, "timeout_ms");
    spec.kill_grace = duration<std::chrono::milliseconds>(from, "kill_grace_ms");
    return spec;
}

HandedRun take_run(const json::object& from, const ClaimedJob& job, Handover& handover)
{
    HandedRun run{take_spec(from, job), {}, take_child(from, handover),
        take_stream(from.at("out").as_object(), handover), take_stream(from.at("err").as_object(), handover),
        Time{duration<Time::duration>(from, "started_us")},
        Clock::time_point{duration<Clock::duration>(from, "next_step_ns")}, {}, take_cause(from),
        from.at("at_once").as_bool(), from.at("killed").as_bool()};
    if (!from.at("oom_before").is_null())
        run.oom_before = number<std::uint64_t>(from, "oom_before");
    if (from.contains("files")) // last: what throws before leaves them; and the first images had none
        run.files = AttemptFiles{text(from, "files")};
    return run;
}

} // namespace

json::array give_attempts(std::vector<HandedAttempt> attempts, Handover& handover)
{
    json::array made;
    for (HandedAttempt& attempt : attempts) {
        json::object entry{{"job", give_job(attempt.job)}, {"rules", give_rules(attempt.rules)},
            {"cancelled", attempt.cancelled}, {"begun_ns", count_of(attempt.begun)}};
        entry["run"] = give_run(std::move(attempt.run), handover);
        made.push_back(std::move(entry));
    }
    return made;
}

std::vector<HandedAttempt> take_attempts(const json::value& attempts, Handover& handover)
{
    std::vector<HandedAttempt> taken;
    try {
        for (const json::value& value : attempts.as_array()) {
            const json::object& from = value.as_object();
            ClaimedJob job = take_job(from.at("job").as_object());
            HandedRun run = take_run(from.at("run").as_object(), job, handover);
            taken.push_back({std::move(job), take_rules(from.at("rules").as_object()), from.at("cancelled").as_bool(),
                Clock::time_point{duration<Clock::duration>(from, "begun_ns")}, std::move(run)});
        }
    } catch (const std::exception& e) {
        throw daemon::HandoverError{fmt::format("running attempt {}: {}", taken.size() + 1, e.what())};
    }
    return taken;
}

} // namespace belay::jobs
