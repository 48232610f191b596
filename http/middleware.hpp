#pragma once
#include "http/handler.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::http {

/** Gives each request an id: the client's X-Request-Id if it is 1 to 128 of [A-Za-z0-9._-], else a UUIDv7. */
[[nodiscard]] Middleware request_id();

/** W3C trace context: continues the client's trace or starts one; see base/trace_context.hpp. */
[[nodiscard]] Middleware trace_context();

/** What came of one request, for logs and metrics.  Views hold during the call. */
struct Exchange {
    const Request& request;
    const Response& response;
    std::chrono::steady_clock::duration
        duration; ///< from the whole request, with its body, to its answer; not the writing
};

using Observer = std::function<void(const Exchange&)>;

/** Calls each of `observers` after each request, on its loop: the access log, the metrics. */
[[nodiscard]] Middleware observed_by(std::vector<Observer> observers);

/**
 * An exception of a handler becomes a 500 problem document that names the request id and nothing else; `report` gets
 * the text, to be logged once.
 */
[[nodiscard]] Middleware exceptions_to_500(std::function<void(const Request&, std::string_view what)> report);

} // namespace belay::http
