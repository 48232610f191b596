#include "base/utf8.hpp"

#include <fmt/format.h>

#include <iterator>
#include <optional>

namespace belay {
namespace {

struct Decoded {
    char32_t code_point;
    std::size_t size;
};

/** The code point at the start of `text`; nothing where it is not valid UTF-8, RFC 3629 §4. */
std::optional<Decoded> decode(std::string_view text) noexcept
{
    const auto byte = [text](std::size_t i) -> char32_t { return static_cast<unsigned char>(text[i]); };
    const char32_t first = byte(0);
    if (first < 0x80)
        return Decoded{first, 1};
    const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < size)
        return std::nullopt;
    char32_t code_point = first & (0x7fU >> size);
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xc0) != 0x80)
            return std::nullopt;
        code_point = code_point << 6 | (byte(i) & 0x3f);
    }
    const bool overlong = (size == 3 && code_point < 0x800) || (size == 4 && code_point < 0x10000);
    const bool surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
    if (overlong || surrogate || code_point > 0x10ffff)
        return std::nullopt;
    return Decoded{code_point, size};
}

bool hides_or_reorders(char32_t c) noexcept
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x061c || c == 0xfeff || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

} // namespace

std::string escape_for_line(std::string_view text, std::size_t limit)
{
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const auto decoded = decode(text);
        const std::size_t size = decoded ? decoded->size : 1;
        std::string piece;
        if (!decoded)
            piece = fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
        else if (decoded->code_point == U'\\')
            piece = "\\\\";
        else if (decoded->code_point == U'\n')
            piece = "\\n";
        else if (decoded->code_point == U'\r')
            piece = "\\r";
        else if (decoded->code_point == U'\t')
            piece = "\\t";
        else if (!hides_or_reorders(decoded->code_point))
            piece = text.substr(0, size);
        else if (decoded->code_point < 0x80)
            piece = fmt::format("\\x{:02x}", static_cast<unsigned>(decoded->code_point));
        else
            piece = fmt::format("\\u{{{:04x}}}", static_cast<unsigned>(decoded->code_point));
        if (limit != 0 && out.size() + piece.size() > limit)
            return out + "…";
        out += piece;
        text.remove_prefix(size);
    }
    return out;
}

bool is_valid_utf8(std::string_view text) noexcept
{
    while (!text.empty()) {
        const auto decoded = decode(text);
        if (!decoded)
            return false;
        text.remove_prefix(decoded->size);
    }
    return true;
}

std::string replace_invalid_utf8(std::string_view text)
{
    std::string valid;
    valid.reserve(text.size());
    while (!text.empty()) {
        const auto decoded = decode(text);
        const std::size_t size = decoded ? decoded->size : 1;
        valid += decoded ? text.substr(0, size) : "\uFFFD";
        text.remove_prefix(size);
    }
    return valid;
}

} // namespace belay
