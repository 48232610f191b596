#pragma once
#include "http/request.hpp"
#include "http/response.hpp"

#include <chrono>
#include <functional>
#include <string_view>
#include <vector>

namespace belay::http {

/** What came of one request, for logs and metrics.  Views hold during the call. */
struct Exchange {
    const Request& request;
    const Response& response;
    std::chrono::steady_clock::duration
        duration; ///< from the whole request, with its body, to its answer; not the writing
};

using Step = std::function<void(Request&)>;
using Observer = std::function<void(const Exchange&)>;

/** What a server does with each request, rejected ones included, beside having it handled.  Called on its loop. */
struct Middleware {
    std::vector<Step> steps{};         ///< before the handler, in this order
    std::vector<Observer> observers{}; ///< when it has its answer: the access log, the metrics
    /** Gets the text of what a step or a handler threw, to be logged once: the client is told the request id only. */
    std::function<void(const Request&, std::string_view what)> on_exception{};
};

/** Gives the request an id: the client's X-Request-Id if it is 1 to 128 of [A-Za-z0-9._-], else a UUIDv7. */
void assign_id(Request& request);

/** W3C trace context: continues the client's trace or starts one; see base/trace_context.hpp. */
void assign_trace(Request& request);

} // namespace belay::http
