#pragma once
#include "belayd/config/secrets.hpp"
#include "belayd/hooks/hook_table.hpp"
#include "belayd/hooks/rule.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::hooks {

/**
 * What a request is to its hook once it is known to be authentic: a challenge, ignored by the rules, refused for its
 * values, or an event.  Needs no secret but those of signatures within its rules, so `belay` judges as belayd does.
 *
 * Lifetime: borrows the hook.  Immutable, thread-safe.
 */
class Judge {
public:
    /** @throws config::ConfigError naming a secret of its rules that is required and cannot be had */
    Judge(const config::Hook& hook, const std::string& config_directory, Secrets secrets);

    /**
     * @param signed_by gains the secrets with which the rules found the request to be signed
     * @throws UnknownSignature where the secrets are optional, or the request a stored one
     */
    [[nodiscard]] Decision decide(const Input& input, std::vector<SignedBy>& signed_by) const;
    [[nodiscard]] Decision decide(const Input& input) const;

    /** How the hook's rules see the request; nothing where it has none.  As long as the hook. */
    [[nodiscard]] std::optional<Trace> trace(const Input& input) const;

private:
    struct DeliveryId {
        std::string_view where; ///< "Idempotency-Key"; as long as the hook
        std::optional<std::string> text;
    };

    [[nodiscard]] Decision decide(const Input& input, Payload& payload, std::vector<SignedBy>& signed_by) const;
    [[nodiscard]] const config::Auth* sender(const std::vector<SignedBy>& signed_by) const noexcept;
    [[nodiscard]] std::string key_of(std::string delivery_id, const config::Auth* sender) const;
    [[nodiscard]] std::string why_ignored(std::string_view mismatch) const;
    [[nodiscard]] static DeliveryId delivery_id(
        const config::Auth* sender, const http::Request& request, Payload& payload);

    const config::Hook& hook_;
    const config::Scheme* scheme_;             // none: auth = "none"
    std::vector<config::SecretUse> secrets_;   // by their places
    std::vector<const config::Auth*> senders_; // that rules tell apart
    std::unique_ptr<const Matcher> when_;      // none: every event
};

} // namespace belay::hooks
