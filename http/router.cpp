#include "http/router.hpp"

#include <algorithm>
#include <stdexcept>

namespace belay::http {
namespace {

constexpr Bytes default_body_limit = 64_KiB;

/** Cuts the segment up to the next '/' off `rest`; false when nothing is left. `rest` begins with '/'. */
bool next_segment(std::string_view& rest, std::string_view& segment) noexcept
{
    if (rest.empty())
        return false;
    rest.remove_prefix(1);
    segment = rest.substr(0, rest.find('/'));
    rest.remove_prefix(segment.size());
    return true;
}

int hex_digit(char c) noexcept
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/**
 * Percent-decodes one path segment (RFC 3986 §2.1); nothing for a malformed escape.  An escaped NUL or '/' is refused
 * too: it would mean something else to whoever splits or terminates the text after us.
 */
std::optional<std::string> decode_segment(std::string_view text)
{
    std::string decoded;
    decoded.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '%') {
            if (text.size() - i < 3)
                return std::nullopt;
            const int high = hex_digit(text[i + 1]);
            const int low = hex_digit(text[i + 2]);
            if (high < 0 || low < 0)
                return std::nullopt;
            c = static_cast<char>(high * 16 + low);
            i += 2;
        }
        if (c == '\0' || c == '/')
            return std::nullopt;
        decoded += c;
    }
    return decoded;
}

/** For tokens that name a parameter or a method in a route of ours. */
bool is_word(std::string_view text) noexcept
{
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    });
}

} // namespace

void Router::add(Route route)
{
    if (!is_word(route.method) || !route.handler)
        throw std::logic_error{"route " + route.pattern + " needs a method and a handler"};
    std::vector<Segment> segments = parse_pattern(route.pattern);
    auto path = std::ranges::lower_bound(paths_, segments, is_more_specific, &Path::segments);
    if (path == paths_.end() || is_more_specific(segments, path->segments))
        path = paths_.insert(path, Path{.segments = std::move(segments), .routes = {}, .allow = {}});
    else if (path->routes.front().pattern != route.pattern)
        throw std::logic_error{"routes " + route.pattern + " and " + path->routes.front().pattern + " match alike"};
    if (path->find(route.method) != nullptr)
        throw std::logic_error{"route " + route.method + " " + route.pattern + " is there twice"};
    if (route.is_listed)
        path->allow += (path->allow.empty() ? "" : ", ") + route.method + (route.method == "GET" ? ", HEAD" : "");
    path->routes.push_back(std::move(route));
}

std::vector<Router::Segment> Router::parse_pattern(std::string_view pattern)
{
    const std::logic_error malformed{"malformed route pattern \"" + std::string{pattern} + "\""};
    if (!pattern.starts_with('/'))
        throw malformed;
    std::vector<Segment> segments;
    std::string_view rest = pattern;
    for (std::string_view text; next_segment(rest, text);) {
        const bool parameter = text.starts_with('{') && text.ends_with('}') && text.size() > 2;
        if (parameter)
            text = text.substr(1, text.size() - 2);
        if (parameter ? !is_word(text) : text.find_first_of("{}%?#") != text.npos)
            throw malformed;
        segments.push_back({.text = std::string{text}, .parameter = parameter});
    }
    return segments;
}

bool Router::is_more_specific(const std::vector<Segment>& a, const std::vector<Segment>& b) noexcept
{
    return std::ranges::lexicographical_compare(a, b, [](const Segment& x, const Segment& y) {
        if (x.parameter || y.parameter)
            return !x.parameter && y.parameter; // parameters are alike, whatever their names, and come last
        return x.text < y.text;
    });
}

const Route* Router::Path::find(std::string_view method) const noexcept
{
    const auto route = std::ranges::find(routes, method == "HEAD" ? "GET" : method, &Route::method);
    return route == routes.end() ? nullptr : &*route;
}

bool Router::Path::matches(std::string_view path) const noexcept
{
    std::string_view text;
    for (const Segment& segment : segments)
        if (!next_segment(path, text) || (segment.parameter ? text.empty() : text != segment.text))
            return false;
    return path.empty();
}

const Router::Path* Router::find(std::string_view path) const noexcept
{
    const auto found = std::ranges::find_if(paths_, [path](const Path& candidate) { return candidate.matches(path); });
    return found == paths_.end() ? nullptr : &*found;
}

Admission Router::admit(Request& head) const
{
    const Path* path = find(head.path);
    if (path == nullptr)
        return Rejection{.status = 404, .detail = "There is nothing at this path.", .fields = {}};
    head.route = path->routes.front().pattern;

    std::string_view rest = head.path;
    std::string_view text;
    for (const Segment& segment : path->segments) {
        next_segment(rest, text);
        if (!segment.parameter)
            continue;
        auto decoded = decode_segment(text);
        if (!decoded)
            return Rejection{.status = 400, .detail = "The path has a malformed percent-escape.", .fields = {}};
        head.path_parameters.emplace_back(segment.text, *std::move(decoded));
    }

    if (const Route* route = path->find(head.method))
        return route->admit ? route->admit(head) : Admission{default_body_limit};
    if (head.method == "OPTIONS")
        return Bytes{0};
    return Rejection{.status = 405,
        .detail = "This path does not take that method; Allow lists those it takes.",
        .fields = {{"Allow", path->allow + ", OPTIONS"}}};
}

Handler Router::dispatcher() const
{
    return [this](Request& request) -> Answer {
        if (request.rejection)
            return rejection_response(*request.rejection);
        const Path* path = find(request.path);
        if (path == nullptr)
            throw std::logic_error{"dispatched without having been admitted"};
        if (const Route* route = path->find(request.method))
            return route->handler(request);
        return Response{
            .status = 204, .content_type = {}, .fields = {{"Allow", path->allow + ", OPTIONS"}}, .body = {}};
    };
}

} // namespace belay::http
