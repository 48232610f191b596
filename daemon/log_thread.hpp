#pragma once
#include "daemon/log.hpp"
#include "daemon/threads.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace belay::daemon {

/** Where records go.  `automatic`: the journal under systemd, the console on a terminal, JSON lines otherwise. */
enum class LogFormat : std::uint8_t { automatic, journal, console, json };

struct LogOptions {
    log::Level level = log::Level::info;
    LogFormat format = LogFormat::automatic;
    std::string identifier; ///< SYSLOG_IDENTIFIER, and "logger" in JSON: the daemon's name
    int descriptor = 2;     ///< where console and json go; borrowed
    std::string journal_socket = "/run/systemd/journal/socket";
};

/**
 * Makes spdlog's default logger write through a bounded queue to the thread "log", the only one that blocks on the log
 * socket or pipe.  A full queue drops records and counts them; the next record that fits says how many.
 *
 * Lifetime: from early in main(), before other threads log and before the leak check's first census, since it keeps the
 * socket of the journal; stop() flushes, joins, and leaves a direct logger behind.
 */
class LogThread {
public:
    LogThread(Threads& threads, LogOptions options);
    ~LogThread();
    LogThread(const LogThread&) = delete;
    LogThread& operator=(const LogThread&) = delete;
    LogThread(LogThread&&) = delete;
    LogThread& operator=(LogThread&&) = delete;

    /** Changes the level, at once.  Thread-safe. */
    void set_level(log::Level level) noexcept;

    /** Records not written since the start, queue full or output failed: belay_log_dropped_total.  Thread-safe. */
    [[nodiscard]] std::uint64_t dropped() const noexcept;

    /**
     * Writes what is queued, joins the thread; later records are written by their own thread.  Repeating is fine.
     * A pipe, terminal or journal that nobody reads is given 2 s, then what is left is dropped.
     */
    void stop();

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace belay::daemon
