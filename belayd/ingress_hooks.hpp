#pragma once
#include "belayd/hooks/hook_table.hpp"
#include "belayd/hooks/rate_limiter.hpp"
#include "belayd/ingress_limits.hpp"
#include "daemon/metrics.hpp"
#include "http/client_address.hpp"

#include <prometheus/counter.h>
#include <prometheus/family.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace belay {

/** A hook with its counters looked up. */
struct IngressHook {
    struct Signatures {
        std::reference_wrapper<prometheus::Counter> accepted;
        std::reference_wrapper<prometheus::Counter> refused;
    };

    const hooks::Hook& hook;
    prometheus::Counter& accepted;
    prometheus::Counter& duplicate;
    prometheus::Counter& ignored;
    prometheus::Counter& refused;
    std::vector<Signatures> signatures; // by secret: config::secrets_of(), with compat those of `auth`
    IngressLimits limits;

    [[nodiscard]] const config::Hook& config() const noexcept { return hook.config(); }

    /** Those that were adnanh/webhook's have methods of their own, and judge themselves. */
    [[nodiscard]] bool takes_method(const http::Request& request) const noexcept
    {
        return request.method == "POST" || hook.config().webhook;
    }

    /** Each secret once, wherever it is named. */
    void count_signatures(const hooks::Judgement& judgement) const;
};

/** The series that ingress keeps of each hook.  Threads: make() wants one caller at a time. */
class IngressMetrics {
public:
    explicit IngressMetrics(daemon::Metrics& metrics);

    [[nodiscard]] IngressHook make(const hooks::Hook& hook, hooks::RateLimiter& limiter) const;

private:
    prometheus::Family<prometheus::Counter>& events_;
    prometheus::Family<prometheus::Counter>& signatures_;
    prometheus::Family<prometheus::Counter>& rate_limited_;
};

/** The hooks of one configuration by their paths.  Borrows the limiter.  Immutable. */
class IngressHooks {
public:
    IngressHooks(std::shared_ptr<const hooks::HookTable> hooks, http::TrustedProxies proxies,
        const IngressMetrics& metrics, hooks::RateLimiter& limiter);

    /** Those that share the path, in the order of their names; none: null. */
    [[nodiscard]] const std::vector<IngressHook>* find(std::string_view path) const noexcept
    {
        const auto found = by_path_.find(path);
        return found == by_path_.end() ? nullptr : &found->second;
    }

    /** Who is believed to say whom a request comes from. */
    [[nodiscard]] const http::TrustedProxies& proxies() const noexcept { return proxies_; }

private:
    std::shared_ptr<const hooks::HookTable> hooks_;
    http::TrustedProxies proxies_;
    std::map<std::string, std::vector<IngressHook>, std::less<>> by_path_;
};

} // namespace belay
