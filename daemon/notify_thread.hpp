#pragma once
#include "base/asio.hpp"
#include "daemon/threads.hpp"
#include "signals/notify_socket.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::daemon {

/**
 * Tells the service manager: the thread "notify", the only one that may block on the notify socket when PID 1 does not
 * read.  That wait is a declared one, so it never looks like a wedge.
 *
 * State messages (READY=1, RELOADING=1, STOPPING=1, EXTEND_TIMEOUT_USEC=…) keep their order and are never merged, since
 * each of them moves the manager's state machine.  Of STATUS= and WATCHDOG=1 only the latest matters.
 *
 * Without a service manager there is no thread, and everything here does nothing.  Thread-safe.
 */
class NotifyThread {
public:
    explicit NotifyThread(Threads& threads);
    ~NotifyThread();
    NotifyThread(const NotifyThread&) = delete;
    NotifyThread& operator=(const NotifyThread&) = delete;
    NotifyThread(NotifyThread&&) = delete;
    NotifyThread& operator=(NotifyThread&&) = delete;

    /** One datagram of newline-separated assignments.  A STATUS= in it replaces one that waits. */
    void state(std::string message);

    /** STATUS=; any text, escaped to one line. */
    void status(std::string_view text);

    /** WATCHDOG=1. */
    void ping();

    /** Returns when every state message asked for so far is on the wire: true; or when `timeout` has passed: false. */
    [[nodiscard]] asio::awaitable<bool> flush(std::chrono::milliseconds timeout);

    /**
     * Sends them in order among the state messages, then waits until the manager has processed them (BARRIER=1).
     * @return true when it has; false without a manager, if one could not be sent, or when `timeout` has passed: those
     *         not sent by then never are
     */
    [[nodiscard]] asio::awaitable<bool> deliver(
        std::vector<signals::Notification> messages, std::chrono::milliseconds timeout);

    /** Sends what waits, for at most `patience`; then interrupts a blocked send, drops the rest and joins. */
    void stop(std::chrono::milliseconds patience);

private:
    struct Flush;
    struct Delivery;
    struct Message {
        signals::Notification notification;
        std::shared_ptr<Delivery> delivery; // of which it is a part, if any
        bool barrier = false;               // instead of a notification
    };

    void enqueue(Message message);
    [[nodiscard]] asio::awaitable<bool> wait_for(std::shared_ptr<Flush> flush);
    void run(Heartbeat& heartbeat);
    void send_waiting(std::unique_lock<std::mutex>& lock, Heartbeat& heartbeat);
    [[nodiscard]] int send(std::unique_lock<std::mutex>& lock, Heartbeat& heartbeat, const Message& message);
    void complete_flushes();

    std::mutex mutex_; // guards everything up to thread_
    std::condition_variable changed_;
    std::deque<Message> states_;
    std::optional<std::string> status_;
    bool ping_ = false;
    std::uint64_t asked_ = 0;                   // state messages
    std::uint64_t sent_ = 0;                    // of them
    std::list<std::shared_ptr<Flush>> flushes_; // awaited, in the order they were asked for
    int last_error_ = 0;
    bool stopping_ = false;
    bool abandoned_ = false; // what still waits is dropped
    bool finished_ = true;   // no thread
    pid_t tid_ = 0;
    Thread thread_;
};

} // namespace belay::daemon
