#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace belay::hooks {

/** What a client of RFC 7617 sends. */
struct Credentials {
    std::string user; ///< without a colon
    std::string password;
};

/** Of the value of an Authorization field; nothing where it is malformed, or has control characters (§2). */
[[nodiscard]] std::optional<Credentials> parse_credentials(std::string_view field);

/** RFC 5234's CTL. */
[[nodiscard]] bool has_control(std::string_view text) noexcept;

} // namespace belay::hooks
