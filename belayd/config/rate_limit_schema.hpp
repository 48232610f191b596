#pragma once
#include "belayd/config/problems.hpp"
#include "belayd/config/rate_limit.hpp"
#include "belayd/config/toml_document.hpp"

#include <string>

namespace belay::config {

/** rate_limit = { per_source = "60/1m", per_hook = "600/1m" } */
void read_rate_limits(const Node& node, RateLimits& limits, Problems& problems);

/** The TOML text that read_rate_limits() reads back. */
[[nodiscard]] std::string write_rate_limits(const RateLimits& limits);

/** "60/1m" */
[[nodiscard]] std::string to_string(const RateLimit& limit);

} // namespace belay::config
