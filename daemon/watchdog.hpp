#pragma once
#include "daemon/threads.hpp"
#include "daemon/wedge_note.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

namespace belay::daemon {

class NotifyThread;

/**
 * Tells a daemon that turns from one that hangs: pings the service manager at half of its interval, for as long as no
 * loop is wedged, and says once of each wedged loop that it is one: to the log, the manager, and the next start.  The
 * manager's interval counts from the loop's last turn, not from the last ping: when it is over, the manager is told to
 * act.  The next start comes last: its note is written to a disk, which may be what hangs.
 *
 * A loop counts as wedged when two looks in a row find it so: after SIGSTOP and SIGCONT every heartbeat is old at
 * first, and means nothing.
 *
 * Threads: tick() on one; the others are thread-safe.
 */
class Watchdog {
public:
    using Clock = Heartbeat::Clock;

    /**
     * @param interval what signals::watchdog_interval() says; nothing: loops are watched, pings are not sent
     * @param turns_again called after a loop turned again: the manager's status is not what was last told elsewhere
     */
    Watchdog(
        const Threads& threads, NotifyThread& notify, std::optional<std::chrono::microseconds> interval, WedgeNote note,
        std::function<void()> turns_again = [] {});

    /** What an interval leaves a loop until it is suspected: half of it, at most what is usual.  At least two turns of
     * an idle loop, so that an interval of less than 2 s is not kept. */
    [[nodiscard]] static Clock::duration wedge_limit(std::optional<std::chrono::microseconds> interval) noexcept;

    /** How often tick() wants to be called. */
    [[nodiscard]] Clock::duration period() const noexcept;

    /** Sends a ping at the next tick(), the first of them too: before READY=1 the manager expects none. */
    void ping_soon() noexcept { ping_at_once_ = true; }

    /** The manager watches no more, since it was told STOPPING=1: it gets neither pings nor a call to act. */
    void leave_manager_alone() noexcept { stopping_ = true; }

    void tick(Clock::time_point now);

    /** The loops found wedged by the last tick(), as text: "http-0, store"; "" for none. */
    [[nodiscard]] std::string wedged() const;

private:
    using Wedges = std::map<std::string, Wedge>; // by loop

    [[nodiscard]] Wedges look(Clock::time_point now);
    void report(const Wedges& wedges);
    void keep_note(const Wedges& before) const;
    void ping(Clock::time_point now);
    void trigger(const Wedges& before, Clock::time_point now);

    const Threads& threads_;
    NotifyThread& notify_;
    const std::optional<Clock::duration> ping_interval_;
    const WedgeNote note_;
    const std::function<void()> turns_again_;
    std::atomic<bool> ping_at_once_{false};
    std::atomic<bool> stopping_{false};
    std::optional<Clock::time_point> last_ping_; // nothing before the first
    bool triggered_ = false;
    std::set<std::string> suspected_; // wedged at the last look
    mutable std::mutex mutex_;        // guards wedged_, which tick() alone changes
    Wedges wedged_;                   // and at the one before
};

} // namespace belay::daemon
