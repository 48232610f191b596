#pragma once
#include "belayd/config/config.hpp"
#include "belayd/hooks/hook_table.hpp"
#include "belayd/hooks/webhook_rule.hpp"

#include <optional>
#include <string>

namespace belay::hooks {

/**
 * A hook with compat = "webhook": judges requests as adnanh/webhook 2.8 does.
 *
 * Immutable, thread-safe.  Lifetime: borrows the hook.
 */
class WebhookHook {
public:
    /** @throws config::ConfigError naming the secret that cannot be had */
    WebhookHook(
        const config::Hook& hook, const std::string& config_directory, Signatures signatures = Signatures::checked);

    /** Ignored and Refusal have the texts of webhook.  There is no delivery id: webhook runs whatever comes again.
     *  @throws UnknownSignature where signatures are assumed, or headers withheld */
    [[nodiscard]] Decision decide(const Input& input) const;

    /** How the hook's rules see the request; nothing where it has none.  As long as the hook. */
    [[nodiscard]] std::optional<Trace> trace(const Input& input) const;

private:
    [[nodiscard]] std::optional<Refusal> refuse_unread(const Input& input) const;
    [[nodiscard]] Decision judge(const Input& input) const;

    const config::Hook& config_;
    std::optional<const WebhookRule> rule_;
};

} // namespace belay::hooks
