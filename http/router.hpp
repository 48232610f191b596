#pragma once
#include "base/byte_size.hpp"
#include "http/handler.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace belay::http {

/** What the connection may read of a body: at most this many bytes, or nothing because of this. */
using Admission = std::variant<Bytes, Rejection>;

/** One method of one path pattern. */
struct Route {
    std::string method;  ///< "GET" also answers HEAD
    std::string pattern; ///< "/hooks/{name}": a parameter is one whole, non-empty path segment
    Handler handler;
    /** Asked when the head is read and before any byte of the body; empty: bodies up to 64 KiB. */
    std::function<Admission(const Request& head)> admit;
    bool is_listed = true; ///< in Allow; else only some requests may use this method, and `admit` tells the others
};

/**
 * Finds the handler of a request.
 *
 * Threads: immutable once serving begins; then thread-safe.
 */
class Router {
public:
    /** @throws std::logic_error for a malformed pattern or the same method and pattern twice */
    void add(Route route);

    /**
     * Matches method and path, fills in route and path_parameters, and asks the route whether it takes the body.
     * No such path: a Rejection with 404; no such method: 405 with Allow; a path parameter that does not decode, or to
     * NUL or '/': 400.  OPTIONS is admitted on every known path, without a body.
     */
    [[nodiscard]] Admission admit(Request& head) const;

    /**
     * The handler of a server: answers with the problem document of `request.rejection` where that is set, else calls
     * the route's handler, or answers OPTIONS.  For requests that went through admit().  Borrows the router.
     */
    [[nodiscard]] Handler dispatcher() const;

private:
    struct Segment {
        std::string text; ///< literal text, or the parameter's name
        bool parameter = false;
    };
    /** One path and the methods it takes. */
    struct Path {
        std::vector<Segment> segments;
        std::vector<Route> routes; ///< at least one; all of the same pattern
        std::string allow;         ///< "GET, HEAD, POST"; OPTIONS is understood

        [[nodiscard]] bool matches(std::string_view path) const noexcept;
        [[nodiscard]] const Route* find(std::string_view method) const noexcept;
    };

    [[nodiscard]] static std::vector<Segment> parse_pattern(std::string_view pattern);
    [[nodiscard]] static bool is_more_specific(const std::vector<Segment>& a, const std::vector<Segment>& b) noexcept;
    [[nodiscard]] const Path* find(std::string_view path) const noexcept;

    std::vector<Path> paths_; // more specific ones first: literal text goes before a parameter
};

} // namespace belay::http
