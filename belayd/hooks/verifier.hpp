#pragma once
#include "base/timestamp.hpp"
#include "belayd/config/scheme.hpp"
#include "belayd/hooks/sender_key.hpp"
#include "belayd/hooks/verdict.hpp"
#include "http/request.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::hooks {

/**
 * Tells whether a request comes from who holds one of a hook's secrets, by the rules of one sender.
 *
 * Nothing of the request is trusted or parsed before: not its body, and its time only once it is known to be signed.
 * Immutable, thread-safe.
 */
class Verifier {
public:
    struct Key {
        SenderKey key;
        std::optional<std::chrono::sys_seconds> not_after;
    };

    /** @param keys of this scheme, at least one */
    Verifier(config::Scheme scheme, std::vector<Key> keys);

    [[nodiscard]] const config::Scheme& scheme() const noexcept { return scheme_; }

    [[nodiscard]] Verdict verify(const http::Request& request, Timestamp now) const;

private:
    [[nodiscard]] bool ends_where_it_seems_to(std::string_view id) const;
    [[nodiscard]] std::optional<std::size_t> find_key(
        const std::vector<std::string_view>& message, std::string_view header, std::chrono::sys_seconds now) const;
    [[nodiscard]] std::optional<std::string_view> timestamp(
        const http::Request& request, std::string_view signatures) const;

    config::Scheme scheme_;
    std::vector<config::MessagePart> message_;
    std::vector<Key> keys_;
};

} // namespace belay::hooks
