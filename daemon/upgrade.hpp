#pragma once
#include "daemon/admin.hpp"
#include "daemon/executable.hpp"
#include "daemon/leak_report.hpp"
#include "daemon/lifecycle.hpp"
#include "daemon/notify_thread.hpp"
#include "daemon/service.hpp"
#include "signals/passed_sockets.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace belay::daemon {

/**
 * Replaces the running image by the executable that lies where it was started from, in place: execve keeps the process,
 * so service managers, jobs and peers see nothing of it.
 *
 * The new executable is asked first; then everything freezes, is put into a Handover, and passes through exec.  What
 * fails before exec is undone.
 *
 * Lifetime: borrows all it is given.  Threads: confined to the main loop.
 */
class Upgrade {
public:
    struct Parts {
        Admin& admin;
        Lifecycle& lifecycle;
        NotifyThread& notify;
        const Metrics& metrics;
        const LeakReport& leaks;
        std::vector<signals::PassedSocket>& passed; // those nobody took yet
        const std::vector<std::string>& admin_listeners;
    };

    /** @param arguments of this process, without its name and without --resume */
    Upgrade(Parts parts, Executable executable, std::vector<std::string> arguments);

    /**
     * Does not return if it succeeds.
     * @param insist an executable that did not change is an error
     * @return nothing if the executable did not change; else what went wrong
     */
    [[nodiscard]] asio::awaitable<std::optional<std::string>> perform(Service& service, bool insist);

    /**
     * Asks the executable that lies there, whether or not it changed, if it can go on where this process stands.  Ends
     * early when a stop is requested.
     * @return why not
     */
    [[nodiscard]] asio::awaitable<std::optional<std::string>> ask(
        const Upgradable& service, std::chrono::milliseconds patience);

private:
    [[nodiscard]] std::optional<Executable::File> wanted(bool insist) const;
    [[nodiscard]] asio::awaitable<std::string> replace(Upgradable& service, Executable::File asked);
    [[nodiscard]] asio::awaitable<bool> freeze_core(Handover& out, std::chrono::steady_clock::time_point deadline);
    [[nodiscard]] asio::awaitable<void> thaw_core(Handover& in);
    [[nodiscard]] std::string exec(
        Handover& out, const Executable::File& asked, std::chrono::steady_clock::time_point deadline);

    Parts parts_;
    const Executable executable_;
    const std::vector<std::string> arguments_;
};

/** What Upgrade puts into the hand-over for the core itself, on the other side. */
[[nodiscard]] std::vector<signals::PassedSocket> passed_sockets(Handover& in);
[[nodiscard]] Admin::Handed handed_admin(Handover& in);

} // namespace belay::daemon
