#pragma once
#include "daemon/watchdog.hpp"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

namespace belay::daemon {

/**
 * The thread "watchdog", on which a Watchdog looks at the others, main among them: so a main loop that hangs is named
 * like any other, and a long recovery, a declared wait of main's, does not keep pings from the manager.
 *
 * Lifetime: borrows what Watchdog does.  Thread-safe.
 */
class WatchdogThread {
public:
    /** @param turns_again called on that thread */
    WatchdogThread(Threads& threads, NotifyThread& notify, std::optional<std::chrono::microseconds> interval,
        WedgeNote note, std::function<void()> turns_again);
    ~WatchdogThread();
    WatchdogThread(const WatchdogThread&) = delete;
    WatchdogThread& operator=(const WatchdogThread&) = delete;
    WatchdogThread(WatchdogThread&&) = delete;
    WatchdogThread& operator=(WatchdogThread&&) = delete;

    /** A ping at once, and from then on as the manager wants them. */
    void ping();

    /** As in Watchdog. */
    void leave_manager_alone() noexcept { watchdog_.leave_manager_alone(); }
    [[nodiscard]] std::string wedged() const { return watchdog_.wedged(); }

    /** Looks and pings no more.  Repeating it is fine. */
    void stop();

private:
    void run(Heartbeat& heartbeat);

    Watchdog watchdog_;
    std::mutex mutex_; // guards the next two
    std::condition_variable changed_;
    bool stopping_ = false;
    bool woken_ = false;
    Thread thread_; // last: uses all of the above
};

} // namespace belay::daemon
