#pragma once
#include "daemon/lifecycle.hpp"
#include "daemon/metrics.hpp"

#include <string>

namespace belay::daemon {

/**
 * What the core tells of itself: belay_build_info, belay_state, belay_drain_phase, belay_reloads_total,
 * belay_config_last_reload_…, belay_loop_heartbeat_age_seconds.  Borrows lifecycle and threads.
 */
[[nodiscard]] Metrics::Collector core_metrics(std::string version, const Lifecycle& lifecycle, const Threads& threads);

} // namespace belay::daemon
