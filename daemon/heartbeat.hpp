#pragma once
#include <atomic>
#include <chrono>
#include <string>

namespace belay::daemon {

/**
 * The pulse of one loop.  The loop beats at each turn; /healthz and the watchdog read the age.
 *
 * A loop that waits for the disk says so first: such a wait counts against /readyz after `disk_wait_limit`, never
 * against /healthz or the watchdog.  Everything else that stops the beat is a wedge.
 *
 * Threads: beat() and DiskWait on the loop's thread; the readers are thread-safe.
 */
class Heartbeat {
public:
    using Clock = std::chrono::steady_clock;

    /** How often an idle loop turns to beat. */
    static constexpr std::chrono::milliseconds interval{500};
    /** Older than this outside a disk wait: the loop is wedged.  Generous, for hosts that are starved of CPU. */
    static constexpr std::chrono::seconds usual_wedge_limit{5};
    /** A disk wait longer than this: not ready. */
    static constexpr std::chrono::seconds disk_wait_limit{2};

    /** @param wedge_limit what Watchdog::wedge_limit() says */
    explicit Heartbeat(std::string loop, Clock::duration wedge_limit = usual_wedge_limit);

    void beat() noexcept;

    /** It is that of the calling thread from now on; null for none. */
    static void set_of_this_thread(Heartbeat* heartbeat) noexcept;

    /** A declared wait, from construction to destruction.  One within another is part of that. */
    class Wait {
    public:
        Wait(const Wait&) = delete;
        Wait& operator=(const Wait&) = delete;
        Wait(Wait&&) = delete;
        Wait& operator=(Wait&&) = delete;

    protected:
        Wait(Heartbeat* heartbeat, Clock::rep since) noexcept;
        ~Wait();

    private:
        Heartbeat* heartbeat_; // null: of no loop, or within another
    };

    /** A wait for the disk: fdatasync, checkpoint, query, a file or a command that may lie on a network.  Or for the
     * address of a host. */
    class DiskWait : public Wait {
    public:
        explicit DiskWait(Heartbeat& heartbeat) noexcept;

        /** Of the calling thread; of none, nothing is declared. */
        DiskWait() noexcept;
    };

    /** A wait that counts against nothing, on a thread that no request depends on: PID 1 does not read, the log pipe is
     * full. */
    class HarmlessWait : public Wait {
    public:
        explicit HarmlessWait(Heartbeat& heartbeat) noexcept;
    };

    [[nodiscard]] const std::string& loop() const noexcept { return loop_; }
    [[nodiscard]] Clock::duration age(Clock::time_point now) const noexcept;
    /** How long the present disk wait has lasted; zero outside one. */
    [[nodiscard]] Clock::duration disk_wait(Clock::time_point now) const noexcept;
    [[nodiscard]] bool wedged(Clock::time_point now) const noexcept;

private:
    void mark_now() noexcept;

    static constexpr Clock::rep harmless = -1;

    const std::string loop_;
    const Clock::duration wedge_limit_;
    std::atomic<Clock::rep> last_beat_;
    std::atomic<Clock::rep> wait_since_{0}; // 0: not in a declared wait; harmless: in one that does not count
};

} // namespace belay::daemon
