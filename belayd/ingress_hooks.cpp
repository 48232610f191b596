#include "belayd/ingress_hooks.hpp"

#include <utility>

namespace belay {

IngressMetrics::IngressMetrics(daemon::Metrics& metrics)
    : events_(prometheus::BuildCounter()
              .Name("belay_events_total")
              .Help("Requests to a hook, by what became of them: accepted, duplicate, ignored or refused.")
              .Register(metrics.registry())),
      signatures_(prometheus::BuildCounter()
              .Name("belay_signatures_total")
              .Help("Signatures by a secret of the hook: accepted, or refused since the secret or the time signed is "
                    "over, or a claim is another.")
              .Register(metrics.registry())),
      rate_limited_(prometheus::BuildCounter()
              .Name("belay_rate_limited_total")
              .Help("Requests refused with 429, by the limit of the hook that they were over: per_source or per_hook.")
              .Register(metrics.registry()))
{
}

IngressHook IngressMetrics::make(const hooks::Hook& hook, hooks::RateLimiter& limiter) const
{
    const std::string& name = hook.config().name;
    const auto counter = [&](const char* result) -> prometheus::Counter& {
        return events_.Add({{"hook", name}, {"result", result}});
    };
    std::vector<IngressHook::Signatures> signatures;
    for (const auto& secret : hook.config().auth.secrets) {
        const auto signature = [&](const char* result) {
            return std::ref(signatures_.Add({{"hook", name}, {"key", secret.name}, {"result", result}}));
        };
        signatures.push_back({signature("accepted"), signature("refused")});
    }
    const config::RateLimits& limits = hook.config().rate_limit;
    const auto limited = [&](const std::optional<config::RateLimit>& limit, const char* which) {
        return limit ? &rate_limited_.Add({{"hook", name}, {"limit", which}}) : nullptr;
    };
    const IngressLimits::Counters counters{
        limited(limits.per_source, "per_source"), limited(limits.per_hook, "per_hook")};
    return {hook, counter("accepted"), counter("duplicate"), counter("ignored"), counter("refused"),
        std::move(signatures), IngressLimits{name, limits, limiter, counters}};
}

IngressHooks::IngressHooks(std::shared_ptr<const hooks::HookTable> hooks, http::TrustedProxies proxies,
    const IngressMetrics& metrics, hooks::RateLimiter& limiter)
    : hooks_(std::move(hooks)), proxies_(std::move(proxies))
{
    for (const auto& [name, hook] : *hooks_) // in the order of names
        by_path_[hook->config().path].push_back(metrics.make(*hook, limiter));
}

} // namespace belay
