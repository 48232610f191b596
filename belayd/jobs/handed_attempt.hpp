#pragma once
#include "belayd/jobs/handed_run.hpp"
#include "belayd/jobs/job.hpp"
#include "belayd/jobs/scheduler.hpp"
#include "daemon/handover.hpp"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include <chrono>
#include <vector>

namespace belay::jobs {

/** A running attempt between the Scheduler that let go of it and the one that goes on with it. */
struct HandedAttempt {
    ClaimedJob job;  ///< without body, arguments and environment: those are the child's by now
    HookRules rules; ///< of when it was claimed: they count if its hook is gone
    bool cancelled = false;
    std::chrono::steady_clock::time_point begun;
    HandedRun run;
};

/**
 * As a part of a hand-over's document, which has their descriptors then; their processes are nobody's until
 * take_attempts(): that serves the next image, and this one if it stays.
 */
[[nodiscard]] boost::json::array give_attempts(std::vector<HandedAttempt> attempts, daemon::Handover& handover);

/** @throws daemon::HandoverError that names the attempt; what was read before it is ended */
[[nodiscard]] std::vector<HandedAttempt> take_attempts(const boost::json::value& attempts, daemon::Handover& handover);

} // namespace belay::jobs
