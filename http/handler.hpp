#pragma once
#include "base/asio.hpp"
#include "http/request.hpp"
#include "http/response.hpp"

#include <functional>
#include <variant>

namespace belay::http {

/** What answers a request: the response, where there is nothing to wait for, or the coroutine that will have it. */
using Answer = std::variant<Response, asio::awaitable<Response>>;

/**
 * Answers one request, on the loop of its connection.
 *
 * The request outlives the answer.  What a handler throws, or its coroutine, becomes a 500; a handler is not cancelled
 * when the client goes away.
 */
using Handler = std::function<Answer(Request&)>;

} // namespace belay::http
