#pragma once
#include "base/duration.hpp"

#include <cstdint>
#include <optional>

namespace belay::config {

/** "60/1m": so many requests at once, and as many again over the period. */
struct RateLimit {
    std::uint64_t count = 0;
    Milliseconds period{0};

    bool operator==(const RateLimit&) const = default;
};

/** Of the requests to a hook; where there is none, they are not counted. */
struct RateLimits {
    std::optional<RateLimit> per_source; ///< of one address, of IPv6 one /64
    std::optional<RateLimit> per_hook;

    bool operator==(const RateLimits&) const = default;
};

} // namespace belay::config
