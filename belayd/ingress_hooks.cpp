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
                    "over.")
              .Register(metrics.registry()))
{
}

IngressHook IngressMetrics::make(const hooks::Hook& hook) const
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
    return {
        hook, counter("accepted"), counter("duplicate"), counter("ignored"), counter("refused"), std::move(signatures)};
}

IngressHooks::IngressHooks(std::shared_ptr<const hooks::HookTable> hooks, const IngressMetrics& metrics)
    : hooks_(std::move(hooks))
{
    for (const auto& [name, hook] : *hooks_) // in the order of names
        by_path_[hook->config().path].push_back(metrics.make(*hook));
}

} // namespace belay
