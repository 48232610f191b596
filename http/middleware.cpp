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

// The coroutines borrow `next` and what else they call from the handler that called them; it lives as long as the
// server.

asio::awaitable<Response> with_observers(const Handler& next, const std::vector<Observer>& observers, Request& request)
{
    const auto start = std::chrono::steady_clock::now();
    Response response = co_await next(request);
    const Exchange exchange{
        .request = request, .response = response, .duration = std::chrono::steady_clock::now() - start};
    for (const Observer& observe : observers)
        observe(exchange);
    co_return response;
}

Response failure(const Request& request)
{
    Response response = problem_response(500, "belay failed to answer this request; its log says why.");
    if (!request.id.empty() && response.body.ends_with('}')) {
        response.body.pop_back();
        response.body += R"(,"request_id":")" + request.id + "\"}"; // is_sane_id(): nothing to escape
    }
    return response;
}

using Report = std::function<void(const Request&, std::string_view what)>;

asio::awaitable<Response> with_exceptions_caught(const Handler& next, const Report& report, Request& request)
{
    try {
        co_return co_await next(request);
    } catch (const std::exception& e) {
        report(request, e.what());
    } catch (...) {
        report(request, "an exception that is not a std::exception");
    }
    co_return failure(request);
}

} // namespace

Middleware request_id()
{
    return [](Handler next) -> Handler {
        return [next = std::move(next)](Request& request) {
            const auto given = request.field("X-Request-Id");
            request.id.clear();
            if (given && is_sane_id(*given))
                request.id = *given;
            else
                append(request.id, make_uuid_v7());
            return next(request);
        };
    };
}

Middleware trace_context()
{
    return [](Handler next) -> Handler {
        return [next = std::move(next)](Request& request) {
            // Two traceparent fields are as good as none (W3C Trace Context §3.2).
            const auto given = request.count("traceparent") == 1 ? request.field("traceparent") : std::nullopt;
            const auto parent = given ? parse_traceparent(*given) : std::nullopt;
            request.trace = parent ? make_child_span(*parent) : make_trace();
            return next(request);
        };
    };
}

Middleware observed_by(std::vector<Observer> observers)
{
    return [observers = std::move(observers)](Handler next) -> Handler {
        return
            [next = std::move(next), observers](Request& request) { return with_observers(next, observers, request); };
    };
}

Middleware exceptions_to_500(std::function<void(const Request&, std::string_view what)> report)
{
    return [report = std::move(report)](Handler next) -> Handler {
        return [next = std::move(next), report](
                   Request& request) { return with_exceptions_caught(next, report, request); };
    };
}

} // namespace belay::http
