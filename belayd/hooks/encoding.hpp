#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace belay::hooks {

/** Lower-case digits. */
[[nodiscard]] std::string to_hex(std::span<const unsigned char> bytes);

/** RFC 4648 §4, padded. */
[[nodiscard]] std::string to_base64(std::span<const unsigned char> bytes);

/** RFC 7515 §2: of base64 with '-' and '_' and without padding. */
[[nodiscard]] std::string to_base64url(std::span<const unsigned char> bytes);

/** Nothing unless `text` is what to_hex() makes of something. */
[[nodiscard]] std::optional<std::string> from_hex(std::string_view text);

/** Nothing unless `text` is what to_base64() makes of something: one text for each sequence of bytes. */
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

/** RFC 7515 §2: of base64 with '-' and '_' and without padding; one text for each sequence of bytes. */
[[nodiscard]] std::optional<std::string> from_base64url(std::string_view text);

/** The same memory. */
[[nodiscard]] inline std::span<const unsigned char> bytes_of(std::string_view text) noexcept
{
    return {reinterpret_cast<const unsigned char*>(text.data()), text.size()};
}

} // namespace belay::hooks
