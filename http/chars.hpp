#pragma once
// Character classes of RFC 9110 §5.6.2 and RFC 3986 §2, and comparison without case: ASCII only, no locale.
#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace belay::http {

constexpr bool is_digit(char c) noexcept
{
    return c >= '0' && c <= '9';
}

constexpr bool is_alpha(char c) noexcept
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

constexpr bool is_hex_digit(char c) noexcept
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/** Letters, digits and `others`, as a table: each character of a target is looked up. */
class CharSet {
public:
    consteval explicit CharSet(std::string_view others)
    {
        for (std::size_t i = 0; i < has_.size(); ++i) {
            const char c = static_cast<char>(i);
            has_[i] = is_digit(c) || is_alpha(c) || others.find(c) != others.npos;
        }
    }
    [[nodiscard]] constexpr bool has(char c) const noexcept { return has_[static_cast<unsigned char>(c)]; }

private:
    std::array<bool, 256> has_{};
};

inline constexpr CharSet token_chars{"!#$%&'*+-.^_`|~"};
inline constexpr CharSet uri_chars{"-._~!$&'()*+,;="};

/** tchar: what methods and field names are made of. */
constexpr bool is_token_char(char c) noexcept
{
    return token_chars.has(c);
}

/** A control character other than HTAB. */
constexpr bool is_control(char c) noexcept
{
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
}

/** unreserved or sub-delims of a URI. */
constexpr bool is_uri_char(char c) noexcept
{
    return uri_chars.has(c);
}

constexpr char to_lower(char c) noexcept
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

inline std::string to_lower(std::string_view text)
{
    std::string lower{text};
    for (char& c : lower)
        c = to_lower(c);
    return lower;
}

/** `lower` must be in lower case. */
constexpr bool equals_ignoring_case(std::string_view text, std::string_view lower) noexcept
{
    return text.size() == lower.size() &&
           std::equal(text.begin(), text.end(), lower.begin(), [](char a, char b) { return to_lower(a) == b; });
}

/** Field names are ASCII and compare without case (RFC 9110 §5.1); the locale has no say. */
constexpr bool is_same_name(std::string_view a, std::string_view b) noexcept
{
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return to_lower(x) == to_lower(y); });
}

/** Without the spaces and tabs around it. */
constexpr std::string_view trimmed(std::string_view text) noexcept
{
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

} // namespace belay::http
