#include "http/middleware.hpp"

#include "base/uuid.hpp"

#include <algorithm>

namespace belay::http {
namespace {

/** Short and plain enough to go into logs, environment variables and headers as it is. */
bool is_sane_id(std::string_view text) noexcept
{
    return !text.empty() && text.size() <= 128 && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
               c == '-';
    });
}

} // namespace

void assign_id(Request& request)
{
    const auto given = request.field("X-Request-Id");
    request.id.clear();
    if (given && is_sane_id(*given))
        request.id = *given;
    else
        append(request.id, make_uuid_v7());
}

void assign_trace(Request& request)
{
    // Two traceparent fields are as good as none (W3C Trace Context §3.2).
    const auto given = request.count("traceparent") == 1 ? request.field("traceparent") : std::nullopt;
    const auto parent = given ? parse_traceparent(*given) : std::nullopt;
    request.trace = parent ? make_child_span(*parent) : make_trace();
}

} // namespace belay::http
