#pragma once
#include "daemon/threads.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <string>

namespace belay::daemon {

class NotifyThread;

/**
 * Tells a daemon that turns from one that hangs: pings the service manager at half of its interval, for as long as no
 * loop is wedged, and says once of each wedged loop that it is one.
 *
 * A loop counts as wedged when two looks in a row find it so: after SIGSTOP and SIGCONT every heartbeat is old at
 * first, and means nothing.
 *
 * Threads: confined to the main loop, which proves by calling tick() that it turns itself.
 */
class Watchdog {
public:
    using Clock = Heartbeat::Clock;

    /** @param interval what signals::watchdog_interval() says; nothing: loops are watched, pings are not sent */
    Watchdog(const Threads& threads, NotifyThread& notify, std::optional<std::chrono::microseconds> interval);

    /** How often tick() wants to be called. */
    [[nodiscard]] Clock::duration period() const noexcept;

    /** Sends a ping at the next tick(): right after READY=1, and after what may have taken long. */
    void ping_soon() noexcept { last_ping_.reset(); }

    void tick(Clock::time_point now);

    /** The loops found wedged by the last tick(), as text: "http-0, store"; "" for none. */
    [[nodiscard]] std::string wedged() const;

private:
    const Threads& threads_;
    NotifyThread& notify_;
    const std::optional<Clock::duration> ping_interval_;
    std::optional<Clock::time_point> last_ping_;
    std::set<std::string> suspected_; // wedged at the last look
    std::set<std::string> wedged_;    // and at the one before
};

} // namespace belay::daemon
