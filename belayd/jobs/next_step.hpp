#pragma once
#include "belayd/jobs/job.hpp"
#include "belayd/jobs/scheduler.hpp"

#include <string>

namespace belay::jobs {

inline constexpr const char* hook_is_gone = "hook no longer configured";

/** "exit status 1", "signal 9 (Killed)", "timed out: ran longer than 10s": for reasons. */
[[nodiscard]] std::string describe(const AttemptResult& result);

/**
 * What becomes of a job after an attempt that was not cancelled: done, again later, or failed.
 *
 * An interrupted attempt is repeated at once and not counted; any other counts toward rules.attempts.
 * @param counted earlier attempts that count
 * @param random 0 ≤ random < 1, for the jitter
 */
[[nodiscard]] NextStep next_step(
    unsigned counted, const AttemptResult& result, const HookRules& rules, Time time, double random);

} // namespace belay::jobs
