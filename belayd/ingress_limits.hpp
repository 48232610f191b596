#pragma once
#include "belayd/hooks/rate_limiter.hpp"
#include "http/request.hpp"

#include <prometheus/counter.h>

#include <memory>
#include <optional>
#include <string_view>

namespace belay {

/** The rate limits of one hook with its buckets and counters.  Borrows limiter and counters; thread-safe. */
class IngressLimits {
public:
    struct Counters {
        prometheus::Counter* per_source = nullptr;
        prometheus::Counter* per_hook = nullptr;
    };

    /** @param counters of the limits that there are */
    IngressLimits(
        const std::string& hook, const config::RateLimits& limits, hooks::RateLimiter& limiter, Counters counters);

    [[nodiscard]] bool wants_source() const noexcept { return limits_.per_source.has_value(); }

    /**
     * Takes a token of the source and then one of the hook: who is over its own limit takes nothing from the others.
     * @return the 429, if there is none
     */
    [[nodiscard]] std::optional<http::Rejection> admit(
        std::string_view source, hooks::Bucket::Clock::time_point now) const;

private:
    config::RateLimits limits_;
    hooks::RateLimiter* limiter_;
    Counters counters_;
    std::shared_ptr<hooks::Bucket> bucket_;
    std::uint64_t sources_ = 0;
};

} // namespace belay
