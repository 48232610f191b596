#include "belayd/jobs/attempt_spec.hpp"

#include "base/trace_context.hpp"
#include "belayd/jobs/attempt_files.hpp"

#include <fmt/format.h>

#include <map>

namespace belay::jobs {

AttemptSpec make_attempt_spec(ClaimedJob& job, const HookRules& hook, const SchedulerRules& rules)
{
    std::map<std::string, std::string> environment{rules.base_environment.begin(), rules.base_environment.end()};
    for (const auto& [name, value] : job.environment)
        environment[name] = value;
    std::string directory = files_directory(rules.files_directory, job.job, job.attempt);
    for (const auto& [name, text] : job.files)
        environment[name] = fmt::format("{}/{}", directory, name);
    environment["BELAY_EVENT_ID"] = to_string(job.event);
    environment["BELAY_JOB_ID"] = to_string(job.job);
    environment["BELAY_ATTEMPT"] = std::to_string(job.attempt);
    environment["BELAY_HOOK"] = job.hook;
    const std::optional<TraceContext> trace = parse_traceparent(job.traceparent);
    environment["TRACEPARENT"] = to_traceparent(trace ? make_child_span(*trace) : make_trace());

    AttemptSpec spec;
    spec.job = job.job;
    spec.event = job.event;
    spec.hook = job.hook;
    spec.attempt = job.attempt;
    spec.arguments = job.arguments;
    spec.environment.assign(environment.begin(), environment.end());
    spec.directory = hook.directory;
    spec.input = std::move(job.body);
    spec.files = std::move(job.files);
    spec.files_directory = std::move(directory);
    spec.free_space_floor = rules.free_space_floor;
    spec.output_limit = hook.output_limit;
    spec.merges_output = hook.merges_output;
    spec.timeout = hook.timeout;
    spec.kill_grace = rules.kill_grace;
    return spec;
}

} // namespace belay::jobs
