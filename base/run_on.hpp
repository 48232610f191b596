#pragma once
#include "base/asio.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>

#include <utility>

namespace belay {

/**
 * Runs `task` on another loop; the caller goes on on its own.
 *
 * A cancelled caller waits for the end of `task`, which is not cancelled: Asio of Boost 1.81 sends a cancellation to
 * the other loop with a pointer into the task, which may be over when it comes.
 */
template <class T>
[[nodiscard]] asio::awaitable<T> run_on(asio::io_context& io, asio::awaitable<T> task)
{
    return asio::co_spawn(
        io, std::move(task), asio::bind_cancellation_slot(asio::cancellation_slot{}, asio::use_awaitable));
}

} // namespace belay
