#pragma once
#include "base/asio.hpp"
#include "http/request.hpp"
#include "http/response.hpp"

#include <functional>
#include <vector>

namespace belay::http {

/**
 * Answers one request, on the loop of its connection.
 *
 * The request outlives the returned coroutine.  What a handler throws becomes a 500 (see middleware.hpp); a handler is
 * not cancelled when the client goes away.
 */
using Handler = std::function<asio::awaitable<Response>(Request&)>;

/** Wraps a handler in another: composable, outermost first. */
using Middleware = std::function<Handler(Handler next)>;

/** `middleware` around `innermost`, the first of the list outermost. */
[[nodiscard]] Handler compose(std::vector<Middleware> middleware, Handler innermost);

} // namespace belay::http
