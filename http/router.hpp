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
     * No such path: a Rejection with 404; no such method: 405 with Allow; a path parameter that does not decode: 400.
     */
    [[nodiscard]] Admission admit(Request& head) const;

    /**
     * The innermost handler: answers with the problem document of `request.rejection` where that is set, else calls the
     * route's handler.  Borrows the router.
     */
    [[nodiscard]] Handler dispatcher() const;

private:
    struct Segment {
        std::string text; ///< literal text, or the parameter's name
        bool parameter = false;
    };
    struct Entry {
        Route route;
        std::vector<Segment> segments;
    };

    [[nodiscard]] const Entry* find(Request& head, Rejection& why_not) const;

    std::vector<Entry> entries_;
};

} // namespace belay::http
