#pragma once
#include "base/asio.hpp"
#include "base/task_group.hpp"
#include "daemon/drain_phases.hpp"
#include "daemon/last_resort.hpp"
#include "daemon/notify_thread.hpp"
#include "daemon/reload_requests.hpp"
#include "daemon/service.hpp"
#include "daemon/state.hpp"
#include "daemon/threads.hpp"
#include "daemon/watchdog_thread.hpp"
#include "signals/handled_signals.hpp"

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/value.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::daemon {

/**
 * The life of a daemon between its start and its stop, as the design's "Lifecycle" draws it: signals, reloads, the
 * drain, and what the service manager is told of them.
 *
 * One coroutine makes all calls to the Service, so they come one at a time.
 *
 * Lifetime: borrows all it is given.  Threads: confined to the main loop, but for view().
 */
class Lifecycle {
public:
    using Clock = std::chrono::steady_clock;
    using Scope = ReloadRequests::Scope;

    struct Timeouts {
        std::chrono::milliseconds drain{30'000};
        std::chrono::milliseconds kill_grace{10'000};
        std::chrono::milliseconds slack{5'000}; ///< for a service that takes its kill_grace to the last moment
        std::chrono::milliseconds extend{
            5'000}; ///< how often progress earns an EXTEND_TIMEOUT_USEC of three times that

        /** From the signal to the deadline. */
        [[nodiscard]] std::chrono::milliseconds whole_drain() const noexcept { return drain + kill_grace + slack; }
    };

    /**
     * Replaces the running image, if the executable on disk is another one, or if `insist`s.
     * @return nothing where there was nothing to replace; else why it was not done, everything going on as before
     */
    using Upgrade = std::function<asio::awaitable<std::optional<std::string>>(bool insist)>;

    /** What metrics, probes and reports show. */
    struct View {
        State state = State::starting;
        std::string drain_phase; ///< "" outside a drain
        std::uint64_t reloads_succeeded = 0;
        std::uint64_t reloads_failed = 0;
        bool last_reload_ok = true;
        std::chrono::system_clock::time_point last_reload_success;
    };

    /**
     * @param wedge_note where the watchdog leaves what it finds, see WedgeNote
     * @param flush_log called before the process ends by force
     */
    Lifecycle(asio::io_context& main, signals::SignalQueue& signals, Threads& threads, NotifyThread& notify,
        Timeouts timeouts, WedgeNote wedge_note, std::function<void()> flush_log);

    /** The manager expects pings from now on, not only from READY=1: it watches a process that was ready already. */
    void ping() { watchdog_.ping(); }

    /** For the log and STATUS=: loops that were wedged when the run before this one ended. */
    void tell_of_wedges(const std::vector<Wedge>& wedges);

    /** Ready, reloads, drain: from a started service to one that can be stopped. */
    [[nodiscard]] asio::awaitable<void> run(Service& service);

    /** See Core::reload(). */
    [[nodiscard]] asio::awaitable<ReloadVerdict> reload(Scope scope);

    /** See Core::verdict_of_predecessor(). */
    [[nodiscard]] asio::awaitable<ReloadVerdict> left_verdict() { return reloads_.left_verdict(); }

    /** How the image is replaced; without, it never is. */
    void set_upgrade(Upgrade upgrade) { upgrade_ = std::move(upgrade); }

    /** Called once, when a stop is requested. */
    void set_on_stop(std::function<void()> on_stop) { on_stop_ = std::move(on_stop); }

    /** For STATUS= and belay_state. */
    void show_upgrading();

    /** Those who wait for a verdict are to ask the successor. */
    void leave_waiters() { reloads_.leave_waiters(); }

    /** There will be none, for now: whoever asks from here on is told in this image. */
    void keep_waiters() noexcept { reloads_.keep_waiters(); }

    [[nodiscard]] bool stopping() const noexcept { return drain_.has_value(); }

    /** What is awaited with it is cancelled when a stop is requested; for one at a time, begun before stopping(). */
    [[nodiscard]] asio::cancellation_slot stop_slot() noexcept { return stop_requested_.slot(); }

    /** What lives on in the next image. */
    [[nodiscard]] boost::json::value handed() const;
    void resume(const boost::json::value& handed, std::string message);

    void set_timeouts(const Timeouts& timeouts) noexcept { timeouts_ = timeouts; }

    /** Begins the drain; a second call changes nothing. */
    void request_stop(std::string_view reason);

    /** Gives running work no more time, once stopping. */
    void hurry();

    /** Ends the process soon, with this code. */
    void fail(ExitCode code, std::string_view reason);

    /** A phase of the drain, also of what follows Service::drain(): see DrainContext::report(). */
    void report_phase(std::string_view phase, std::string_view waiting_for);

    /**
     * Nothing on the main thread reads signals any more: from here on a stop signal forces the exit, as the deadline
     * does.  run() ends with it; where run() never came, a deadline begins.
     */
    void begin_stop();

    /** No thread, descriptor or child is to follow: state stopped, and the deadline no longer stands. */
    void finish();

    [[nodiscard]] View view() const; ///< thread-safe
    [[nodiscard]] ExitCode exit_code() const noexcept { return exit_code_; }

private:
    [[nodiscard]] asio::awaitable<void> handle_signals();
    [[nodiscard]] asio::awaitable<void> keep_status();
    [[nodiscard]] asio::awaitable<void> extend_timeout();
    [[nodiscard]] asio::awaitable<void> perform(ReloadRequests::Request request);
    [[nodiscard]] asio::awaitable<void> drain();

    [[nodiscard]] asio::awaitable<ReloadVerdict> verdict_of(Scope scope);
    void arm(Clock::time_point deadline); // if there is a thread to be had
    void on_stop_signal(int signal);
    void become_ready();
    void log_report() const;
    bool begin_phase(std::string_view phase, std::string_view waiting_for);
    void tell_status();
    void tell_status_again();
    void tell(std::string text);
    [[nodiscard]] std::string status() const;
    void set_state(State state);

    asio::io_context& main_;
    signals::SignalQueue& signals_;
    Threads& threads_;
    NotifyThread& notify_;
    Timeouts timeouts_;
    std::function<void()> flush_log_;
    WatchdogThread watchdog_;
    const Clock::time_point started_ = Clock::now();

    Service* service_ = nullptr; // set while it may be called
    ExitCode exit_code_ = ExitCode::clean;
    ReloadRequests reloads_;
    Upgrade upgrade_;
    std::function<void()> on_stop_;
    std::optional<std::string> resumed_; // by an upgrade: from what to what
    asio::steady_timer status_due_;
    std::string told_status_;
    std::string previous_run_;          // what STATUS= says of it; "" if it ended well
    std::optional<DrainContext> drain_; // set: stop requested
    asio::cancellation_signal stop_requested_;
    std::optional<LastResort> last_resort_;
    DrainPhases phases_;

    mutable std::mutex mutex_; // guards view_
    View view_;

    TaskGroup tasks_; // last: empty before what its tasks use goes away
};

} // namespace belay::daemon
