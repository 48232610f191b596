#include "daemon/state.hpp"

namespace belay::daemon {

std::string_view to_string(State state) noexcept
{
    switch (state) {
    case State::starting:
        return "starting";
    case State::ready:
        return "ready";
    case State::reloading:
        return "reloading";
    case State::upgrading:
        return "upgrading";
    case State::draining:
        return "draining";
    case State::stopped:
        return "stopped";
    }
    return "unknown";
}

} // namespace belay::daemon
