#include "belayd/api/parameters.hpp"

#include "base/utf8.hpp"

#include <boost/url/parse_query.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace belay::api {
namespace {

constexpr unsigned max_limit = 500; // rows in one answer: a short read for the reader
constexpr unsigned max_attempt = 1'000'000;
constexpr std::size_t shown_bytes = 40; // of a name that the client made up

const std::string* find(const Parameters& parameters, std::string_view name)
{
    const auto found = parameters.find(name);
    return found == parameters.end() ? nullptr : &found->second;
}

std::optional<unsigned> parse_number(std::string_view text, unsigned highest)
{
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < 1 || value > highest)
        return std::nullopt;
    return value;
}

Uuid parse_id(const http::Request& request, std::string_view whose)
{
    const auto id = parse_uuid(request.path_parameter("id"));
    if (!id)
        throw ParameterError{
            fmt::format("the {}'s id must have 36 characters, as in 01939f3c-7b2a-7e4d-8b1a-0123456789ab", whose)};
    return *id;
}

} // namespace

Parameters parse_query(std::string_view query, std::initializer_list<std::string_view> known)
{
    const std::string text{query}; // Boost 1.81 reads on until a NUL, past the end of a view
    const auto parsed = boost::urls::parse_query(text);
    if (!parsed)
        throw ParameterError{"the query is malformed (RFC 3986 §3.4)"};
    Parameters parameters;
    for (const auto& encoded : *parsed) {
        std::string name = encoded.key.decode();
        if (std::find(known.begin(), known.end(), name) == known.end())
            throw ParameterError{fmt::format("{} is none of this route's query parameters ({})",
                escape_for_line(name, shown_bytes), fmt::join(known, ", "))};
        if (!parameters.emplace(name, encoded.value.decode()).second)
            throw ParameterError{fmt::format("{} is given twice", name)};
    }
    return parameters;
}

jobs::Page parse_page(const Parameters& parameters)
{
    jobs::Page page;
    if (const auto* state = find(parameters, "state")) {
        page.state = jobs::parse_job_state(*state);
        if (!page.state)
            throw ParameterError{"state must be queued, running, succeeded, failed, cancelled or superseded"};
    }
    if (const auto* hook = find(parameters, "hook")) {
        if (hook->empty())
            throw ParameterError{"hook must be the name of a hook"};
        page.hook = *hook;
    }
    if (const auto* before = find(parameters, "before")) {
        page.before = parse_uuid(*before);
        if (!page.before)
            throw ParameterError{"before must be an id: 36 characters, as in 01939f3c-7b2a-7e4d-8b1a-0123456789ab"};
    }
    if (const auto* limit = find(parameters, "limit")) {
        const auto number = parse_number(*limit, max_limit);
        if (!number)
            throw ParameterError{fmt::format("limit must be a number from 1 to {}", max_limit)};
        page.limit = *number;
    }
    return page;
}

unsigned parse_attempt(const Parameters& parameters)
{
    const auto* text = find(parameters, "attempt");
    if (text == nullptr)
        return 0;
    const auto number = parse_number(*text, max_attempt);
    if (!number)
        throw ParameterError{"attempt must be the number of an attempt, from 1"};
    return *number;
}

Uuid parse_job_id(const http::Request& request)
{
    return parse_id(request, "job");
}

Uuid parse_event_id(const http::Request& request)
{
    return parse_id(request, "event");
}

} // namespace belay::api
