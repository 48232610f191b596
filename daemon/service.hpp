#pragma once
#include "base/asio.hpp"
#include "daemon/handover.hpp"

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace belay::daemon {

/** sysexits(3) where they fit; the units list usage and configuration under RestartPreventExitStatus=. */
enum class ExitCode : int {
    clean = 0,         ///< also when jobs were interrupted and requeued in order
    usage = 64,        ///< EX_USAGE
    unavailable = 69,  ///< EX_UNAVAILABLE: a listener, the store or the lock on state_dir could not be had
    internal = 70,     ///< EX_SOFTWARE: a leak under --strict-leaks, or a bug
    forced = 75,       ///< EX_TEMPFAIL: a second signal, or the drain passed its deadline
    configuration = 78 ///< EX_CONFIG
};

/** Why a service cannot start; the text names the thing and the remedy. */
class StartError : public std::runtime_error {
public:
    StartError(ExitCode code, const std::string& what) : std::runtime_error(what), code_(code) {}
    [[nodiscard]] ExitCode code() const noexcept { return code_; }

private:
    ExitCode code_;
};

/** What came of a reload.  On failure nothing has changed. */
struct ReloadVerdict {
    bool ok = true;
    std::string message; ///< "configuration reloaded: 3 hooks"; or every error, one a line, each with file:line:column
    bool left_to_successor = false; ///< it stands when the next image of the daemon runs: ask that
};

/** Whether the service can take work; the reasons why not, one sentence each.  Empty: ready. */
struct Readiness {
    std::vector<std::string> reasons;
    [[nodiscard]] bool ready() const noexcept { return reasons.empty(); }
};

/**
 * A drain in progress, as the service sees it.
 *
 * Threads: confined to the main loop.
 */
class DrainContext {
public:
    using Clock = std::chrono::steady_clock;

    DrainContext(asio::io_context& main, Clock::time_point deadline, std::chrono::milliseconds drain_timeout,
        std::function<void(std::string_view phase, std::string_view waiting_for)> report);

    /** drain_timeout from the moment the signal came: running work gets this long before it is interrupted. */
    [[nodiscard]] Clock::time_point soft_deadline() const noexcept { return soft_deadline_; }

    /** drain_timeout + kill_grace + 5 s: past it the core gives up with exit 75. */
    [[nodiscard]] Clock::time_point deadline() const noexcept { return deadline_; }

    /** A second signal came: interrupt now what soft_deadline() would have given time. */
    [[nodiscard]] bool hurried() const noexcept { return hurried_; }

    /** Returns when hurry() is called; at once if it was.  Cancellable. */
    [[nodiscard]] asio::awaitable<void> until_hurried();

    /**
     * Names the phase and what is waited for, counted: "jobs", "2 running".  Logged with durations, STATUS=,
     * belay_drain_phase; what is not a repetition is progress.  Cheap: to be called as often as something changes.
     */
    void report(std::string_view phase, std::string_view waiting_for);

    void hurry();

private:
    Clock::time_point soft_deadline_;
    Clock::time_point deadline_;
    std::function<void(std::string_view, std::string_view)> report_;
    asio::steady_timer hurry_; // never expires; cancelled by hurry()
    bool hurried_ = false;
};

/**
 * What a daemon supplies; the core supplies the rest.  Called on the main thread, one call at a time; readiness() and
 * status() on any.
 */
class Service {
public:
    Service() = default;
    virtual ~Service() = default;
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;
    Service(Service&&) = delete;
    Service& operator=(Service&&) = delete;

    /** Takes sockets, recovers, spawns threads.  What waits for the disk meanwhile is declared, Heartbeat::DiskWait.
     *  @throws StartError */
    virtual void start() = 0;

    /** All or nothing; a bad configuration is a verdict, not an exception.  Awaited on the main loop; waits for the
     * disk are declared. */
    virtual asio::awaitable<ReloadVerdict> reload() = 0;

    /** Stops taking work; returns when quiet, or sooner when `drain` says hurry. */
    virtual asio::awaitable<void> drain(DrainContext& drain) = 0;

    /** When it returns, no thread, descriptor or child of the service is left.  Also called after a failed start(). */
    virtual void stop() noexcept = 0;

    /** Thread-safe, cheap: asked by /readyz. */
    [[nodiscard]] virtual Readiness readiness() const = 0;

    /** One line for STATUS= and the SIGUSR1 report: "3 hooks, 2 jobs running, 17 queued".  Thread-safe. */
    [[nodiscard]] virtual std::string status() const = 0;
};

/**
 * A second interface, of a Service that passes from one image of its executable to the next without anybody noticing.
 * Called as Service is.
 */
class Upgradable {
public:
    Upgradable() = default;
    virtual ~Upgradable() = default;
    Upgradable(const Upgradable&) = delete;
    Upgradable& operator=(const Upgradable&) = delete;
    Upgradable(Upgradable&&) = delete;
    Upgradable& operator=(Upgradable&&) = delete;

    /** Arguments for the question whether the next image can take over, about what only the service knows. */
    [[nodiscard]] virtual std::vector<std::string> question() const { return {}; }

    /**
     * Ends what freeze() would wait for and nobody else does, while everybody is still served.  It ends with thaw(),
     * and with a freeze() that cannot be.
     * @return why that cannot be, everything going on as before
     */
    virtual asio::awaitable<std::optional<std::string>> settle(std::chrono::steady_clock::time_point deadline) = 0;

    /**
     * Follows settle(): brings everything to rest and puts what lives on into `out`; start() of the next image finds it
     * in Core::predecessor().
     * @return why that cannot be, everything going on as before; nothing: nothing moves any more
     */
    virtual asio::awaitable<std::optional<std::string>> freeze(
        Handover& out, std::chrono::steady_clock::time_point deadline) = 0;

    /** The next image did not come to be: takes everything back and goes on. */
    virtual asio::awaitable<void> thaw(Handover& in) = 0;
};

/** A third interface, of a Service whose connections outlive a restart in the service manager's descriptor store. */
class Restartable {
public:
    Restartable() = default;
    virtual ~Restartable() = default;
    Restartable(const Restartable&) = delete;
    Restartable& operator=(const Restartable&) = delete;
    Restartable(Restartable&&) = delete;
    Restartable& operator=(Restartable&&) = delete;

    /** After start(): takes back what the process before this one put into Core::descriptor_store() when it drained. */
    virtual void take_back(Handover& stored) = 0;
};

} // namespace belay::daemon
