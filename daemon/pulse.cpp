#include "daemon/pulse.hpp"

namespace belay::daemon {

Pulse::Pulse(asio::io_context& io, Heartbeat& heartbeat) : timer_(io), heartbeat_(heartbeat)
{
    tick();
}

void Pulse::tick()
{
    heartbeat_.beat();
    timer_.expires_after(Heartbeat::interval);
    timer_.async_wait([this](error_code ec) {
        if (!ec)
            tick();
    });
}

} // namespace belay::daemon
