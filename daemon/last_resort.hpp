#pragma once
#include "daemon/threads.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>

namespace belay::daemon {

/**
 * Ends the process with ExitCode::forced if it is still there at a deadline: for a drain that hangs where nothing on
 * the main thread can notice.  A thread of its own, "last-resort", from construction to destruction.
 */
class LastResort {
public:
    using Clock = std::chrono::steady_clock;

    /** @param last_words called at the deadline, on that thread: logs what hangs, and flushes the log */
    LastResort(Threads& threads, Clock::time_point deadline, std::function<void()> last_words);
    ~LastResort();
    LastResort(const LastResort&) = delete;
    LastResort& operator=(const LastResort&) = delete;
    LastResort(LastResort&&) = delete;
    LastResort& operator=(LastResort&&) = delete;

private:
    void run(Heartbeat& heartbeat);

    const Clock::time_point deadline_;
    const std::function<void()> last_words_;
    std::mutex mutex_; // guards disarmed_
    std::condition_variable changed_;
    bool disarmed_ = false;
    Thread thread_;
};

} // namespace belay::daemon
