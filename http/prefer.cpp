#include "http/prefer.hpp"

#include "http/chars.hpp"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>

namespace belay::http {
namespace {

/** More than anybody waits: about 31 years. */
constexpr std::chrono::seconds longest{1'000'000'000};

/** Cuts off what stands before the first `separator` that is not in a quoted string (RFC 9110 §5.6.4), and that too. */
std::string_view next_part(std::string_view& rest, char separator) noexcept
{
    bool quoted = false;
    std::size_t i = 0;
    for (; i < rest.size() && (quoted || rest[i] != separator); ++i) {
        if (rest[i] == '"')
            quoted = !quoted;
        else if (quoted && rest[i] == '\\')
            ++i;
    }
    i = std::min(i, rest.size()); // a backslash may be the last
    const std::string_view part = rest.substr(0, i);
    rest.remove_prefix(std::min(i + 1, rest.size()));
    return trimmed(part);
}

/** The value of a preference: a token, or a quoted string of the same meaning (RFC 7240 §2). */
std::string unquoted(std::string_view word)
{
    if (word.size() < 2 || !word.starts_with('"') || !word.ends_with('"'))
        return std::string{word};
    std::string text;
    for (std::size_t i = 1; i + 1 < word.size(); ++i) {
        if (word[i] == '\\' && i + 2 < word.size())
            ++i;
        text += word[i];
    }
    return text;
}

std::optional<std::chrono::seconds> parse_seconds(std::string_view text)
{
    if (text.empty() || !std::ranges::all_of(text, is_digit))
        return std::nullopt;
    std::int64_t number = 0;
    const auto error = std::from_chars(text.data(), text.data() + text.size(), number).ec;
    return error == std::errc{} ? std::min(std::chrono::seconds{number}, longest) : longest;
}

} // namespace

std::optional<std::chrono::seconds> preferred_wait(const Request& request)
{
    for (const Field& field : request.fields) {
        if (!equals_ignoring_case(field.name, "prefer"))
            continue;
        for (std::string_view rest = field.value; !rest.empty();) {
            std::string_view preference = next_part(rest, ',');
            std::string_view value = next_part(preference, ';'); // its parameters mean nothing here
            const std::string_view name = next_part(value, '=');
            if (equals_ignoring_case(name, "wait"))
                return parse_seconds(unquoted(trimmed(value)));
        }
    }
    return std::nullopt;
}

} // namespace belay::http
