#pragma once
#include "http/handler.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

namespace belay::http {

/** What the handler answers, waited for on an io_context of its own. */
inline Response run_handler(const Handler& handler, Request& request)
{
    Answer answer = handler(request);
    if (auto* const awaited = std::get_if<asio::awaitable<Response>>(&answer)) {
        asio::io_context io;
        auto response = asio::co_spawn(io, std::move(*awaited), asio::use_future);
        io.run();
        answer = response.get();
    }
    return std::get<Response>(std::move(answer));
}

} // namespace belay::http
