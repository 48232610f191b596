#pragma once
#include "base/asio.hpp"
#include "daemon/heartbeat.hpp"

#include <boost/asio/steady_timer.hpp>

namespace belay::daemon {

/**
 * Beats from the loop's own timer queue: proof that it turns.
 *
 * Lifetime: borrows loop and heartbeat; destroyed on the loop, or when it no longer turns.
 */
class Pulse {
public:
    Pulse(asio::io_context& io, Heartbeat& heartbeat);

private:
    void tick();

    asio::steady_timer timer_;
    Heartbeat& heartbeat_;
};

} // namespace belay::daemon
