#pragma once
#include "daemon/service.hpp"
#include "daemon/state.hpp"
#include "daemon/threads.hpp"
#include "http/response.hpp"

#include <vector>

namespace belay::daemon {

/** /healthz: 200 while every loop beats, also during a drain; else 503, naming the loops that are `wedged`. */
[[nodiscard]] http::Response healthz(const std::vector<ThreadRecord>& wedged, Heartbeat::Clock::time_point now);

/** Why the process cannot take work, beside what the service says: its state, and loops that wait for the disk. */
[[nodiscard]] Readiness readiness(
    State state, const std::vector<ThreadRecord>& running, Heartbeat::Clock::time_point now);

/** /readyz: 200 if there is no reason, else 503 with the reasons. */
[[nodiscard]] http::Response readyz(const Readiness& readiness);

/** /debug/threads: name, tid, creator, age, CPU time, wait channel and stack of each; of `running` the heartbeat too,
 *  and what libraries started comes after them. */
[[nodiscard]] http::Response debug_threads(const std::vector<ThreadRecord>& running, Heartbeat::Clock::time_point now);

} // namespace belay::daemon
