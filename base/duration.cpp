#include "base/duration.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>
#include <stdexcept>

namespace belay {
namespace {

struct DurationUnit {
    std::string_view suffix;
    Milliseconds::rep milliseconds;
};
constexpr std::array<DurationUnit, 5> duration_units{
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};

} // namespace

Milliseconds parse_duration(std::string_view text)
{
    const auto refuse = [text](std::string_view why) {
        return std::invalid_argument{fmt::format("\"{}\" {}: write it as \"30s\", \"10m\" or \"1h30m\"", text, why)};
    };
    Milliseconds::rep total = 0;
    std::size_t next_unit = 0; // units come largest first, each at most once
    std::string_view rest = text;
    if (rest.empty())
        throw refuse("is not a duration");
    while (!rest.empty()) {
        Milliseconds::rep number = 0;
        const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
        if (error == std::errc::result_out_of_range)
            throw refuse("is too long");
        if (error != std::errc{} || number < 0)
            throw refuse("is not a duration");
        rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
        const std::string_view suffix = rest.substr(0, std::min(rest.find_first_of("0123456789"), rest.size()));
        while (next_unit < duration_units.size() && duration_units[next_unit].suffix != suffix)
            ++next_unit;
        if (next_unit == duration_units.size())
            throw refuse(suffix.empty() ? "has no unit" : "has an unknown or misplaced unit");
        const auto factor = duration_units[next_unit].milliseconds;
        if (number > (std::numeric_limits<Milliseconds::rep>::max() / 1'000'000 - total) / factor)
            throw refuse("is too long"); // so that it still fits std::chrono::nanoseconds
        total += number * factor;
        rest.remove_prefix(suffix.size());
        ++next_unit;
    }
    return Milliseconds{total};
}

std::string format_duration(Milliseconds duration)
{
    if (duration.count() == 0)
        return "0s";
    std::string text;
    auto rest = duration.count();
    if (rest < 0) {
        text = "-";
        rest = -rest;
    }
    for (const auto& unit : duration_units) {
        if (const auto number = rest / unit.milliseconds; number != 0)
            text += fmt::format("{}{}", number, unit.suffix);
        rest %= unit.milliseconds;
    }
    return text;
}

} // namespace belay
