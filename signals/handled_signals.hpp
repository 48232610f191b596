#pragma once
#include "base/asio.hpp"

#include <boost/asio/signal_set.hpp>

#include <array>
#include <csignal>

namespace belay::signals {

/** What an operator or a service manager may send; see "Signals" in README.md. */
inline constexpr std::array handled_signals{SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};

/**
 * First thing in main(): blocks the handled signals in this thread and those it will create, and ignores SIGPIPE and
 * SIGXFSZ.  A signal that arrives before the handlers stand stays pending instead of killing the process.
 */
void block_handled_signals() noexcept;

/** The counterpart, on the main thread, once SignalQueue stands. */
void unblock_handled_signals() noexcept;

/** Whether a SIGTERM or SIGINT waits for being unblocked. */
[[nodiscard]] bool stop_is_pending() noexcept;

/** Takes those that do. */
void forget_pending_stop() noexcept;

/**
 * Delivers the handled signals as awaitable events.  Handlers stand from construction on (systemd 262 looks for them in
 * SigCgt before READY=1); a signal between two waits is kept, equal ones may coalesce as the kernel does.
 *
 * Threads: confined to the executor.
 */
class SignalQueue {
public:
    explicit SignalQueue(asio::io_context& io);

    /** The next signal's number; throws operation_aborted when cancelled. */
    [[nodiscard]] asio::awaitable<int> next();

private:
    asio::signal_set set_;
};

} // namespace belay::signals
