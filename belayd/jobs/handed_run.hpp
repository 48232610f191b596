#pragma once
#include "base/spawn.hpp"
#include "belayd/jobs/attempt_files.hpp"
#include "belayd/jobs/attempt_runner.hpp"
#include "belayd/jobs/capture.hpp"

#include <chrono>
#include <cstdint>
#include <optional>

namespace belay::jobs {

/**
 * A running attempt between the AttemptRunner that let go of it and the one that goes on with it.
 *
 * Lifetime: whoever destroys it instead ends the attempt (see Child).  Threads: as a value.
 */
struct HandedRun {
    AttemptSpec spec;   ///< without arguments, environment, input and files: those are the child's by now
    AttemptFiles files; ///< before the child, which has to be gone first
    Child child;        ///< with its pidfd
    HandedStream out;
    HandedStream err;
    Time started;
    std::chrono::steady_clock::time_point next_step; ///< when the timeout strikes; after SIGTERM: when SIGKILL follows
    std::optional<std::uint64_t> oom_before;         ///< kills for want of memory in the cgroup before it started
    EndedBy ended_by = EndedBy::nothing;
    bool at_once = false; ///< no more patience
    bool killed = false;  ///< SIGKILL was ours
};

} // namespace belay::jobs
