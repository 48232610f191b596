#include "cli/recorded_request.hpp"

#include "belayd/config/checks.hpp"
#include "cli/context.hpp"
#include "http/chars.hpp"

#include <fmt/format.h>

#include <sysexits.h>

#include <algorithm>
#include <charconv>

namespace belay::cli {
namespace {

/** Takes the line and what ends it off `text`. */
std::string_view take_line(std::string_view& text) noexcept
{
    const auto end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r'))
        line.remove_suffix(1);
    return line;
}

struct RequestLine {
    std::string_view method;
    std::string_view target;
};

/** "POST /hooks/deploy HTTP/1.1" */
std::optional<RequestLine> parse_request_line(std::string_view line)
{
    const auto first = line.find(' ');
    const auto last = line.rfind(' ');
    if (first == std::string_view::npos || first == last)
        return std::nullopt;
    const RequestLine parsed{line.substr(0, first), line.substr(first + 1, last - first - 1)};
    const bool upper = std::ranges::all_of(parsed.method, [](char c) { return c >= 'A' && c <= 'Z'; });
    const std::string_view version = line.substr(last + 1);
    if (parsed.method.empty() || !upper || !parsed.target.starts_with('/') || !version.starts_with("HTTP/"))
        return std::nullopt;
    return parsed;
}

void cut_to_length(RecordedRequest& request)
{
    const auto length = request.view().field("Content-Length");
    if (!length)
        return;
    std::size_t bytes = 0;
    const auto [end, error] = std::from_chars(length->data(), length->data() + length->size(), bytes);
    if (error != std::errc{} || end != length->data() + length->size())
        throw Failure{EX_DATAERR, "the request's Content-Length is no number"};
    if (bytes > request.body.size())
        throw Failure{EX_DATAERR, fmt::format("the request's body has {} bytes, fewer than its Content-Length, {}",
                                      request.body.size(), bytes)};
    request.body.resize(bytes);
}

} // namespace

void RecordedRequest::set_field(const std::string& name, std::string value)
{
    std::erase_if(fields, [&name](const auto& field) { return http::is_same_name(field.first, name); });
    fields.emplace_back(name, std::move(value));
}

void RecordedRequest::set_target(std::string_view target)
{
    const auto mark = std::min(target.find('?'), target.size());
    path = target.substr(0, mark);
    query = target.substr(std::min(mark + 1, target.size()));
}

http::Request RecordedRequest::view() const
{
    views_.clear();
    for (const auto& [name, value] : fields)
        views_.push_back({name, value});
    http::Request request;
    request.method = method;
    request.target = path;
    request.path = path;
    request.query = query;
    request.fields = views_;
    request.body = body;
    peer_ = {.address = remote, .port = 0}; // which nobody has written down
    request.peer = &peer_;
    return request;
}

std::optional<std::pair<std::string, std::string>> parse_field(std::string_view line)
{
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || !config::fault_in_header_name(line.substr(0, colon)).empty() ||
        line.find_first_of(std::string_view{"\r\n\0", 3}) != std::string_view::npos)
        return std::nullopt;
    std::string_view value = line.substr(colon + 1);
    value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
    value = value.substr(0, value.find_last_not_of(" \t") + 1);
    return std::pair{std::string{line.substr(0, colon)}, std::string{value}};
}

RecordedRequest parse_recorded_request(std::string_view text)
{
    RecordedRequest request;
    std::string_view rest = text;
    const auto start = parse_request_line(take_line(rest));
    if (!start) {
        request.body = text;
        return request;
    }
    request.method = start->method;
    request.set_target(start->target);
    for (unsigned number = 2;; ++number) {
        if (rest.empty())
            throw Failure{EX_DATAERR, "the request's header does not end: an empty line comes before the body"};
        const std::string_view line = take_line(rest);
        if (line.empty())
            break;
        auto field = parse_field(line);
        if (!field)
            throw Failure{EX_DATAERR, fmt::format("line {} of the request is no header field, NAME: VALUE", number)};
        request.fields.push_back(std::move(*field));
    }
    request.body = rest;
    if (request.view().field("Transfer-Encoding"))
        throw Failure{EX_DATAERR, "the request has a Transfer-Encoding: write its body as it is decoded, without that"};
    cut_to_length(request);
    return request;
}

} // namespace belay::cli
