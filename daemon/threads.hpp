#pragma once
#include "daemon/heartbeat.hpp"

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <source_location>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace belay::daemon {

/** What is known of a thread that belay created. */
struct ThreadRecord {
    std::string name; ///< also its kernel name, 15 bytes at most
    pid_t tid = 0;
    std::source_location creator;
    std::chrono::steady_clock::time_point started;
    std::shared_ptr<const Heartbeat> heartbeat;
};

class Threads;

/** A running thread; joined by its owner, at the latest by the destructor. */
class Thread {
public:
    Thread() noexcept = default;
    Thread(Thread&&) noexcept = default;
    Thread& operator=(Thread&&) noexcept = default;
    Thread(const Thread&) = delete;
    Thread& operator=(const Thread&) = delete;
    ~Thread();

    /** Waits for its end; repeating it is fine. */
    void join();

private:
    friend class Threads;
    explicit Thread(std::thread thread) noexcept : thread_(std::move(thread)) {}
    std::thread thread_;
};

/**
 * The threads of the process: every thread of belay is created here, and so has a name, a creator, blocked signals and
 * a heartbeat.
 *
 * Lifetime: outlives its threads.  Thread-safe.
 */
class Threads {
public:
    /** @param wedge_limit of their heartbeats */
    explicit Threads(Heartbeat::Clock::duration wedge_limit = Heartbeat::usual_wedge_limit);
    ~Threads();
    Threads(const Threads&) = delete;
    Threads& operator=(const Threads&) = delete;
    Threads(Threads&&) = delete;
    Threads& operator=(Threads&&) = delete;

    /**
     * Starts a thread that runs `body`; it must beat the heartbeat at least every Heartbeat::interval.  What escapes
     * `body` terminates the process, after it was logged with the thread's name.
     * @throws std::system_error if the kernel refuses a thread
     */
    [[nodiscard]] Thread start(std::string name, std::function<void(Heartbeat&)> body,
        std::source_location creator = std::source_location::current());

    /** Makes the calling thread (main) known, with a heartbeat that it must beat. */
    std::shared_ptr<Heartbeat> adopt_current(
        std::string name, std::source_location creator = std::source_location::current());

    /** Forgets the calling thread. */
    void release_current() noexcept;

    [[nodiscard]] std::vector<ThreadRecord> running() const;

    /** Those whose loops are wedged.  Of none it allocates nothing: balancers ask for it all the time. */
    [[nodiscard]] std::vector<ThreadRecord> wedged(Heartbeat::Clock::time_point now) const;

private:
    const Heartbeat::Clock::duration wedge_limit_;
    mutable std::mutex mutex_; // guards records_
    std::list<ThreadRecord> records_;
};

} // namespace belay::daemon
