#pragma once
#include "daemon/threads.hpp"
#include "signals/manager.hpp"

#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>
#include <string>

namespace belay::daemon {

/** What a manager gives a process that is asked to stop, before it kills. */
struct StopTimeout {
    std::chrono::milliseconds value;
    std::string where; ///< it can be changed
};

/**
 * That of a manager that cannot be asked: what the operator wrote in $BELAY_STOP_TIMEOUT, else the manager's default.
 * @throws std::invalid_argument if that variable is no duration
 */
[[nodiscard]] std::optional<StopTimeout> declared_stop_timeout(
    signals::Manager manager, const signals::Environment& environment);

/**
 * Warns of a manager that would kill the process before its drain is over.
 *
 * systemd is asked over the bus, which may block: on a thread "manager", that ends with the answer.
 *
 * Threads: confined to the main thread.
 */
class StopTimeoutCheck {
public:
    StopTimeoutCheck(Threads& threads, signals::Manager manager, signals::Environment environment);
    ~StopTimeoutCheck();
    StopTimeoutCheck(const StopTimeoutCheck&) = delete;
    StopTimeoutCheck& operator=(const StopTimeoutCheck&) = delete;
    StopTimeoutCheck(StopTimeoutCheck&&) = delete;
    StopTimeoutCheck& operator=(StopTimeoutCheck&&) = delete;

    /** Looks again where `drain`, the longest that one takes, is not what it was.  Never blocks. */
    void check(std::chrono::milliseconds drain);

    /** No thread is left; no check follows. */
    void stop();

private:
    void ask_systemd();
    void judge(const StopTimeout& found, std::chrono::milliseconds drain) const;

    Threads& threads_;
    const signals::Manager manager_;
    const signals::Environment environment_;
    std::chrono::milliseconds drain_{-1}; // as last asked
    std::atomic<bool> stopping_{false};

    std::mutex mutex_; // guards the two below
    std::optional<std::chrono::milliseconds> to_check_;
    bool asking_ = false; // the thread takes what is in to_check_
    Thread thread_;
};

} // namespace belay::daemon
