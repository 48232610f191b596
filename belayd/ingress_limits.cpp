#include "belayd/ingress_limits.hpp"

#include <chrono>
#include <string>

namespace belay {
namespace {

http::Rejection too_many(const char* whose, hooks::Bucket::Clock::duration wait)
{
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait); // RFC 9110 §10.2.3 has whole ones
    return {.status = 429,
        .detail = std::string{"too many requests "} + whose + "; try again later",
        .fields = {{"Retry-After", std::to_string(seconds.count())}}};
}

} // namespace

IngressLimits::IngressLimits(
    const std::string& hook, const config::RateLimits& limits, hooks::RateLimiter& limiter, Counters counters)
    : limits_(limits), limiter_(&limiter), counters_(counters),
      bucket_(limits.per_hook ? limiter.of_hook(hook, *limits.per_hook) : nullptr),
      sources_(limits.per_source ? limiter.of_sources(hook, *limits.per_source) : 0)
{
}

std::optional<http::Rejection> IngressLimits::admit(std::string_view source, hooks::Bucket::Clock::time_point now) const
{
    if (limits_.per_source) {
        const auto wait = limiter_->take(sources_, source, *limits_.per_source, now);
        if (wait > hooks::Bucket::Clock::duration::zero()) {
            counters_.per_source->Increment();
            return too_many("from this address", wait);
        }
    }
    if (limits_.per_hook) {
        const auto wait = bucket_->take(*limits_.per_hook, now);
        if (wait > hooks::Bucket::Clock::duration::zero()) {
            counters_.per_hook->Increment();
            return too_many("to this hook", wait);
        }
    }
    return std::nullopt;
}

} // namespace belay
