#pragma once
#include "daemon/threads.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string_view>

namespace belay::daemon {

/**
 * Ends the process with ExitCode::forced if it is still there at a deadline, or sooner at a stop signal that nobody
 * reads: for a stop that hangs where nothing on the main thread can notice.  A thread of its own, "last-resort", from
 * construction to destruction.
 */
class LastResort {
public:
    using Clock = std::chrono::steady_clock;

    /** @param last_words called before the end with its reason, on that thread: logs what hangs, and flushes the log */
    LastResort(Threads& threads, Clock::time_point deadline, std::function<void(std::string_view reason)> last_words);
    ~LastResort();
    LastResort(const LastResort&) = delete;
    LastResort& operator=(const LastResort&) = delete;
    LastResort(LastResort&&) = delete;
    LastResort& operator=(LastResort&&) = delete;

    /** From now on a stop signal that every thread blocks (signals::stop_is_pending()) is the end, too. */
    void heed_signals() noexcept { heeds_signals_.store(true); }

private:
    void run(Heartbeat& heartbeat);

    const Clock::time_point deadline_;
    const std::function<void(std::string_view reason)> last_words_;
    std::atomic<bool> heeds_signals_{false};
    std::mutex mutex_; // guards disarmed_
    std::condition_variable changed_;
    bool disarmed_ = false;
    Thread thread_;
};

} // namespace belay::daemon
