#pragma once
#include "belayd/jobs/attempt_runner.hpp"
#include "belayd/jobs/job.hpp"
#include "belayd/jobs/scheduler.hpp"

namespace belay::jobs {

/**
 * How a claimed job is run: arguments and payload as they were accepted, limits and directory of the present hook.
 *
 * Environment, what comes later wins: the allow-list, the hook's own variables, those of its files, BELAY_EVENT_ID,
 * BELAY_JOB_ID, BELAY_ATTEMPT, BELAY_HOOK, and TRACEPARENT with a span of the attempt's own.  Body and files are moved
 * out of `job`.
 */
[[nodiscard]] AttemptSpec make_attempt_spec(ClaimedJob& job, const HookRules& hook, const SchedulerRules& rules);

} // namespace belay::jobs
