#include "belayd/ingress_hooks.hpp"

#include "belayd/config/secrets.hpp"

#include <algorithm>
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
    for (const auto& [source, auth] : config::secrets_of(hook.config())) {
        if (hook.config().webhook && signatures.size() == hook.config().auth.secrets.size())
            break; // the rules of webhook do not tell
        const std::string& key = source.get().name;
        const auto signature = [&](const char* result) {
            return std::ref(signatures_.Add({{"hook", name}, {"key", key}, {"result", result}}));
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

void IngressHook::count_signatures(const hooks::Judgement& judgement) const
{
    std::vector<const prometheus::Counter*> counted; // none but where rules have signatures
    const auto count = [this, &judgement, &counted](std::size_t secret, bool authentic) {
        const Signatures& counters = signatures.at(secret);
        prometheus::Counter& counter = authentic ? counters.accepted : counters.refused;
        if (std::ranges::find(counted, &counter) != counted.end())
            return;
        counter.Increment();
        if (!judgement.in_rules.empty())
            counted.push_back(&counter);
    };
    if (judgement.key)
        count(*judgement.key, judgement.authentic);
    for (const hooks::SignedBy& one : judgement.in_rules)
        count(one.secret, one.authentic);
}

IngressHooks::IngressHooks(std::shared_ptr<const hooks::HookTable> hooks, http::TrustedProxies proxies,
    const IngressMetrics& metrics, hooks::RateLimiter& limiter)
    : hooks_(std::move(hooks)), proxies_(std::move(proxies))
{
    for (const auto& [name, hook] : *hooks_) // in the order of names
        by_path_[hook->config().path].push_back(metrics.make(*hook, limiter));
}

} // namespace belay
