#include "belayd/config/rate_limit_schema.hpp"

#include "belayd/config/values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <stdexcept>

namespace belay::config {
namespace {

using namespace std::chrono_literals;

// A token is worth a microsecond at least: the buckets count in nanoseconds.
constexpr std::uint64_t largest_count = 1'000'000;
constexpr Milliseconds shortest_period = 1s;
constexpr Milliseconds longest_period = 24h;

constexpr auto keys = std::to_array<std::string_view>({"per_source", "per_hook"});

std::optional<RateLimit> parse_rate_limit(std::string_view text)
{
    const auto slash = text.find('/');
    RateLimit limit;
    const auto [end, error] = std::from_chars(text.data(), text.data() + std::min(slash, text.size()), limit.count);
    if (slash == text.npos || error != std::errc{} || end != text.data() + slash)
        return std::nullopt;
    try {
        limit.period = parse_duration(text.substr(slash + 1));
    } catch (const std::invalid_argument&) {
        return std::nullopt;
    }
    const bool in_range = limit.count >= 1 && limit.count <= largest_count && limit.period >= shortest_period &&
                          limit.period <= longest_period;
    return in_range ? std::optional{limit} : std::nullopt;
}

std::optional<RateLimit> read_rate_limit(const Node& node, std::string_view key, Problems& problems)
{
    const auto text = read_string(node, key, problems);
    if (!text)
        return std::nullopt;
    const auto limit = parse_rate_limit(*text);
    if (!limit)
        problems.add(node.origin,
            fmt::format("{} \"{}\" is not a rate limit: \"60/1m\" lets 60 requests pass at once, and 60 more over each "
                        "minute; from 1 to {}, over {} to {}",
                key, *text, largest_count, format_duration(shortest_period), format_duration(longest_period)));
    return limit;
}

} // namespace

void read_rate_limits(const Node& node, RateLimits& limits, Problems& problems)
{
    if (node.type != Node::Type::table) {
        problems.add(node.origin,
            fmt::format(
                "rate_limit must be a table such as {{ per_source = \"60/1m\", per_hook = \"600/1m\" }}, not {}",
                describe(node.type)));
        return;
    }
    limits = {};
    for (const auto& member : node.members) {
        if (member.key == keys[0])
            limits.per_source = read_rate_limit(member.value, member.key, problems);
        else if (member.key == keys[1])
            limits.per_hook = read_rate_limit(member.value, member.key, problems);
        else
            problems.add(member.origin,
                fmt::format("unknown key \"{}\" in rate_limit{}", member.key, suggest(member.key, keys)));
    }
}

std::string write_rate_limits(const RateLimits& limits)
{
    std::string text;
    if (limits.per_source)
        text += fmt::format("per_source = \"{}\"", to_string(*limits.per_source));
    if (limits.per_hook)
        text += fmt::format("{}per_hook = \"{}\"", text.empty() ? "" : ", ", to_string(*limits.per_hook));
    return text.empty() ? "{}" : "{ " + text + " }";
}

std::string to_string(const RateLimit& limit)
{
    return fmt::format("{}/{}", limit.count, format_duration(limit.period));
}

} // namespace belay::config
