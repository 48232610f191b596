#pragma once
#include "http/handler.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

namespace belay::http {

/** What the handler answers, waited for on an io_context of its own. */
inline Response run_handler(const Handler& handler, Request& request)
{
    asio::io_context io;
    auto response = asio::co_spawn(io, handler(request), asio::use_future);
    io.run();
    return response.get();
}

} // namespace belay::http
