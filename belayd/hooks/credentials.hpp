#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace belay::hooks {

/** What a client of RFC 7617 sends. */
struct Credentials {
    std::string user; ///< without a colon
    std::string password;
};

/** Longer ones are nobody's: hashing takes longer the longer they are, and bcrypt sees 72 bytes. */
inline constexpr std::size_t most_password_bytes = 128;

/**
 * Of the value of an Authorization field; nothing where it is malformed, has control characters (§2), or a password
 * that is too long.
 */
[[nodiscard]] std::optional<Credentials> parse_credentials(std::string_view field);

/** RFC 5234's CTL. */
[[nodiscard]] bool has_control(std::string_view text) noexcept;

} // namespace belay::hooks
