#pragma once
#include "base/asio.hpp"
#include "daemon/descriptor_store.hpp"
#include "daemon/handover.hpp"
#include "daemon/known_sockets.hpp"
#include "daemon/log_thread.hpp"
#include "daemon/metrics.hpp"
#include "daemon/service.hpp"
#include "daemon/state.hpp"
#include "daemon/threads.hpp"
#include "http/router.hpp"
#include "http/server.hpp"
#include "signals/passed_sockets.hpp"

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace belay::daemon {

/** What the core needs to know; a reload may change those marked so, through Core::apply(). */
struct CoreOptions {
    std::string name{}; ///< of the daemon: for logs, metrics, /healthz
    std::string version{};
    LogOptions log{};                        ///< level: reloadable
    std::vector<std::string> admin_listen{}; ///< reloadable; specs as in http::open_listening_socket, or "fd:NAME"
    std::string admin_passed{};              ///< reloadable; passed sockets of that name replace admin_listen
    std::string control_socket{};            ///< path of the control socket; "" for none
    std::string control_group{};             ///< group that owns it, if it exists; "" leaves it
    std::chrono::milliseconds drain_timeout{30'000}; ///< reloadable
    std::chrono::milliseconds kill_grace{10'000};    ///< reloadable; part of the drain's deadline
    std::string wedge_note{};  ///< path of a file, in which a run that hangs says so to the next one; "" for none
    bool strict_leaks = false; ///< exit 70 when the leak check finds anything
    std::vector<std::string> arguments{}; ///< of the process, but its name and --resume: for its successor
};

/** What the admin port shall listen on. */
[[nodiscard]] std::vector<std::string> admin_specs(const CoreOptions& options, const KnownSockets& known);

/**
 * The service core: lifecycle, signals, sd_notify, watchdog, named threads, leak check, logging, metrics, admin port
 * and control socket.  It runs a Service and knows nothing of what that does.
 *
 *     signals::block_handled_signals();
 *     daemon::Core core{options};
 *     MyService service{core};
 *     return core.run(service);
 *
 * The constructor takes the leak check's first census and the passed sockets, and starts the threads log, notify (where
 * a manager listens) and admin; run() does the rest, and returns the exit code after the leak check.
 *
 * Lifetime: outlives the Service.  Threads: everything on the main thread, but for what says thread-safe.
 */
class Core {
public:
    /** @param predecessor what the image before this one left, Handover::read() */
    explicit Core(CoreOptions options, std::optional<Handover> predecessor = std::nullopt);
    ~Core();
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;
    Core(Core&&) = delete;
    Core& operator=(Core&&) = delete;

    /** starting → ready ⇄ reloading → draining → stopped.  @return the process's exit code */
    [[nodiscard]] int run(Service& service);

    [[nodiscard]] asio::io_context& main_loop() noexcept;
    [[nodiscard]] asio::io_context& admin_loop() noexcept; ///< runs from construction until run() joins it
    [[nodiscard]] Threads& threads() noexcept;
    [[nodiscard]] Metrics& metrics() noexcept;

    /** Routes of the control socket beside the core's own; add them before run(). */
    [[nodiscard]] http::Router& control_router() noexcept;

    /** What the image before this one left: for Service::start(), and until it has returned.  Null after an ordinary
     *  start. */
    [[nodiscard]] Handover* predecessor() noexcept;

    /** Children that this process had before it became a daemon, and theirs: not to be taken for one's own. */
    [[nodiscard]] std::set<pid_t> strangers() const;

    /** The passed socket of that FileDescriptorName, if there is one and nobody took it yet. */
    [[nodiscard]] std::optional<signals::PassedSocket> take_passed_socket(std::string_view name);
    /** For who no longer accepts on one, so that it can be taken again: its name is "fd:NAME". */
    void give_back_passed_socket(http::ListeningSocket socket);
    /** Names of those that nobody took yet. */
    [[nodiscard]] std::vector<std::string> passed_names() const;

    /** For what is to outlive a restart: used at the end of Service::drain(). */
    [[nodiscard]] DescriptorStore& descriptor_store() noexcept;

    /**
     * Whether the executable that is started next can take what is put there: it is asked as for an upgrade, which
     * takes as long as it needs to read the configuration.  That it cannot is logged.
     */
    [[nodiscard]] asio::awaitable<bool> successor_can_take_over();

    /**
     * Closes the admin port in order, near the end of Service::drain(): for a restart in whose gap the time for that,
     * up to half a second, would fall.  Else run() does it after the service has stopped.
     */
    [[nodiscard]] asio::awaitable<void> close_admin_port();

    /** Changes what a reload may change; all or nothing. @throws std::system_error if an admin listener cannot be had
     */
    [[nodiscard]] asio::awaitable<void> apply(CoreOptions options);

    /**
     * Asks for a whole reload, or an upgrade, and waits for its verdict, after READY=1 is on the wire.  A request
     * during a reload causes another one.  Thread-safe: awaited on any executor.
     */
    [[nodiscard]] asio::awaitable<ReloadVerdict> reload();
    [[nodiscard]] asio::awaitable<ReloadVerdict> upgrade();

    /** For who asked for one of these and was told that the verdict is left to the successor.  As above.  Where that
     * did not come to be and others asked meanwhile, it is that of the reload which follows, for all of them. */
    [[nodiscard]] asio::awaitable<ReloadVerdict> verdict_of_predecessor();

    /** Begins the drain, as SIGTERM would.  Thread-safe. */
    void request_stop() noexcept;

    /** Ends the process soon with this code after an error nothing can be done about (fsync failed).  Thread-safe. */
    void fail(ExitCode code, std::string reason) noexcept;

    [[nodiscard]] State state() const noexcept; ///< thread-safe

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace belay::daemon
