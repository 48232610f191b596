#pragma once
#include "belayd/jobs/handed_run.hpp"
#include "belayd/jobs/job.hpp"
#include "belayd/jobs/scheduler.hpp"

#include <chrono>

namespace belay::jobs {

/** A running attempt between the Scheduler that let go of it and the one that goes on with it. */
struct HandedAttempt {
    ClaimedJob job;  ///< without body, arguments and environment: those are the child's by now
    HookRules rules; ///< of when it was claimed: they count if its hook is gone
    bool cancelled = false;
    std::chrono::steady_clock::time_point begun;
    HandedRun run;
};

} // namespace belay::jobs
