#include "belayd/jobs/next_step.hpp"

#include <fmt/format.h>

#include <cstring>

namespace belay::jobs {

std::string describe(const AttemptResult& result)
{
    std::string text;
    switch (result.outcome) {
    case Outcome::exited:
        text = fmt::format("exit status {}", result.exit_status);
        break;
    case Outcome::signalled:
        text = fmt::format("signal {} ({})", result.signal, ::sigdescr_np(result.signal));
        break;
    case Outcome::timed_out:
        text = "timed out";
        break;
    case Outcome::oom:
        text = "out of memory";
        break;
    default:
        text = to_string(result.outcome);
    }
    return result.detail.empty() ? text : text + ": " + result.detail;
}

NextStep next_step(unsigned counted, const AttemptResult& result, const HookRules& rules, Time time, double random)
{
    if (result.outcome == Outcome::succeeded)
        return {JobState::succeeded, {}, {}};
    if (result.outcome == Outcome::interrupted)
        return {JobState::queued, time, {}};
    const unsigned attempts = counted + 1;
    if (attempts < rules.attempts)
        return {JobState::queued, time + retry_delay(attempts, rules.backoff, rules.max_backoff, random), {}};
    return {JobState::failed, {},
        fmt::format("attempt {} of {}: {}", attempts, std::max(attempts, rules.attempts), describe(result))};
}

} // namespace belay::jobs
