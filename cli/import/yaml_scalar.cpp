#include "cli/import/yaml_scalar.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <system_error>

namespace belay::webhook {
namespace {

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words)
{
    return std::ranges::find(words, text) != words.end();
}

bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

std::optional<Scalar> find_word(std::string_view text)
{
    constexpr double infinity = std::numeric_limits<double>::infinity();
    if (is_one_of(text, {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"}))
        return true;
    if (is_one_of(text, {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}))
        return false;
    if (is_one_of(text, {"", "~", "null", "Null", "NULL"}))
        return Scalar{};
    if (is_one_of(text, {".nan", ".NaN", ".NAN"}))
        return std::numeric_limits<double>::quiet_NaN();
    if (is_one_of(text, {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"}))
        return infinity;
    if (is_one_of(text, {"-.inf", "-.Inf", "-.INF"}))
        return -infinity;
    return std::nullopt;
}

/** Go's strconv.ParseInt and ParseUint with base 0: 0x, 0o, 0b, and 0 alone for octal. */
std::optional<Scalar> find_integer(std::string_view text)
{
    const bool negative = text.starts_with('-');
    const bool has_sign = negative || text.starts_with('+');
    if (has_sign)
        text.remove_prefix(1);
    int base = 10;
    if (text.size() > 1 && text.front() == '0') {
        const char letter = static_cast<char>(text[1] | 0x20);
        base = letter == 'x' ? 16 : letter == 'b' ? 2 : 8;
        text.remove_prefix(base != 8 || letter == 'o' ? 2 : 1);
    }
    std::uint64_t magnitude = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), magnitude, base);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
    if (negative && magnitude <= most + 1)
        return static_cast<std::int64_t>(-magnitude);
    if (magnitude <= most)
        return static_cast<std::int64_t>(magnitude);
    return has_sign ? std::nullopt : std::optional<Scalar>{magnitude};
}

/** Matches [-+]?[0-9]*\.?[0-9]+([eE][-+][0-9]+)? */
bool looks_like_float(std::string_view text)
{
    std::size_t at = 0;
    const auto skip_digits = [&] {
        const auto from = at;
        while (at < text.size() && is_digit(text[at]))
            ++at;
        return at != from;
    };
    if (at < text.size() && (text[at] == '-' || text[at] == '+'))
        ++at;
    bool digits = skip_digits();
    if (at < text.size() && text[at] == '.') {
        ++at;
        digits = skip_digits();
    }
    if (!digits || at == text.size())
        return digits;
    if ((text[at] | 0x20) != 'e' || ++at == text.size() || (text[at] != '-' && text[at] != '+'))
        return false;
    ++at;
    return skip_digits() && at == text.size();
}

/** Decimal only.  Too large for a double is none, as in Go. */
std::optional<Scalar> parse_float(std::string_view text)
{
    if (text.starts_with('+'))
        text.remove_prefix(1);
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (end != text.data() + text.size() || (error != std::errc{} && error != std::errc::result_out_of_range))
        return std::nullopt;
    if (error == std::errc::result_out_of_range) {
        number = std::strtod(std::string{text}.c_str(), nullptr); // says which: 0, or infinity
        if (std::isinf(number))
            return std::nullopt;
    }
    return number;
}

} // namespace

Scalar resolve_plain(std::string_view text)
{
    if (auto word = find_word(text))
        return *word;
    const char first = text.front();
    if (first == '.') {
        if (auto number = looks_like_float(text) || text.find_first_of("eE") != std::string_view::npos
                              ? parse_float(text)
                              : std::nullopt)
            return *number;
    } else if (is_digit(first) || first == '+' || first == '-') {
        std::string plain{text};
        std::erase(plain, '_');
        if (auto number = find_integer(plain))
            return *number;
        if (looks_like_float(plain))
            if (auto number = parse_float(plain))
                return *number;
    }
    return std::string{text};
}

std::string format_float(double number)
{
    const auto narrow = static_cast<float>(number);
    if (std::isnan(narrow))
        return "NaN";
    if (std::isinf(narrow))
        return narrow > 0 ? "+Inf" : "-Inf";
    std::array<char, 64> buffer{};
    const auto format = [&](std::chars_format how) {
        const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), narrow, how).ptr;
        return std::string{buffer.data(), end};
    };
    const std::string scientific = format(std::chars_format::scientific); // 1.5e+06, at least two digits at its end
    const auto e = scientific.find('e');
    int exponent = 0;
    const auto from = e + (scientific[e + 1] == '+' ? 2 : 1);
    std::from_chars(scientific.data() + from, scientific.data() + scientific.size(), exponent);
    constexpr int least = -4; // from here to 6 Go prints all zeros
    constexpr int most = 6;
    return exponent < least || exponent >= most ? scientific : format(std::chars_format::fixed);
}

} // namespace belay::webhook
