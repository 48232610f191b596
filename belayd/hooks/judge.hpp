#pragma once
#include "belayd/hooks/hook_table.hpp"
#include "belayd/hooks/rule.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace belay::hooks {

/**
 * What a request is to its hook once it is known to be authentic: a challenge, ignored by the rules, refused for its
 * values, or an event.  Needs no secret, so `belay` judges as belayd does.
 *
 * Lifetime: borrows the hook.  Immutable, thread-safe.
 */
class Judge {
public:
    explicit Judge(const config::Hook& hook);

    [[nodiscard]] Decision decide(const Input& input) const;

    /** How the hook's rules see the request; nothing where it has none.  As long as the hook. */
    [[nodiscard]] std::optional<Trace> trace(const Input& input) const;

private:
    struct DeliveryId {
        std::string_view where; ///< "Idempotency-Key"; as long as the hook
        std::optional<std::string> text;
    };

    [[nodiscard]] Decision decide(const Input& input, Payload& payload) const;
    [[nodiscard]] std::string why_ignored(std::string_view mismatch) const;
    [[nodiscard]] DeliveryId delivery_id(const http::Request& request, Payload& payload) const;

    const config::Hook& hook_;
    const config::Scheme* scheme_;        // none: auth = "none"
    std::unique_ptr<const Matcher> when_; // none: every event
};

} // namespace belay::hooks
