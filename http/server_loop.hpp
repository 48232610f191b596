#pragma once
#include "base/task_group.hpp"
#include "http/server_context.hpp"

#include <boost/asio/steady_timer.hpp>

#include <array>
#include <chrono>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace belay::http {

class Connection;

/**
 * What a server has on one io_context: its connections there, and the one timer that enforces all their deadlines.
 *
 * Lifetime: borrows the context.  wait_until_closed() must have returned before it is destroyed.
 * Threads: confined to the loop, but for the counts.
 */
class ServerLoop {
public:
    using Clock = std::chrono::steady_clock;

    ServerLoop(ServerContext& context, unsigned index);

    [[nodiscard]] asio::io_context& io() const noexcept { return io_; }
    [[nodiscard]] ServerContext& context() const noexcept { return context_; }
    [[nodiscard]] unsigned index() const noexcept { return index_; }

    /** Runs `task` on this loop until close. */
    void spawn(std::string_view name, asio::awaitable<void> task) { tasks_.spawn(name, std::move(task)); }

    /** The limits for a connection that begins now. */
    [[nodiscard]] const std::shared_ptr<const Limits>& limits() const noexcept { return limits_; }
    void set_limits(std::shared_ptr<const Limits> limits);

    /** Serves an accepted socket, or says 503 on it.  @throws std::bad_alloc, and closes it */
    void adopt(Accepted accepted);

    /** Has the loop adopt() it; where that throws it is closed, with a warning.  From any thread. */
    void deliver(Accepted accepted);

    /** Ends the connections of that listener, or with null all, now and in future: in order, if there is time. */
    void drain(const ListenerTag& listener, Clock::time_point end);

    /** Returns when none of those connections is left, or at the deadline. */
    [[nodiscard]] asio::awaitable<void> wait_until_gone(ListenerTag listener, Clock::time_point deadline);

    /** From now on each connection ends by hand_over() as soon as nothing of it is being handled. */
    void freeze();

    /** Ends the freeze. @return what was handed over; connections that were not stay */
    [[nodiscard]] std::vector<HandedConnection> thaw();

    /** Closes the connections that wait for their peer. */
    void abort_waiting() noexcept;

    /** Closes every connection and cancels what it awaits. */
    void abort_all();

    /** Returns when no coroutine is left. */
    [[nodiscard]] asio::awaitable<void> wait_until_closed();

    /** The value of a Date field, made once per second. */
    [[nodiscard]] std::string_view date();

    // Called by connections:
    void enter(Connection& connection);
    void leave(Connection& connection, ConnectionState state) noexcept;
    void hand_over(HandedConnection connection) { handed_.push_back(std::move(connection)); }

    /** Counts of one writer, this loop, and any reader. */
    struct Counts {
        std::array<std::atomic<std::size_t>, connection_states> by_state{};
        std::atomic<std::size_t> requests{0};
        std::atomic<std::size_t> requests_begun{0};
    };
    Counts counts;

private:
    /** A wait for connections to go; however it ends, nobody wakes it any more. */
    class Waiter {
    public:
        explicit Waiter(ServerLoop& loop) : timer(loop.io_), loop_(loop) { loop_.waiters_.push_back(this); }
        ~Waiter() { std::erase(loop_.waiters_, this); }
        Waiter(const Waiter&) = delete;
        Waiter& operator=(const Waiter&) = delete;
        Waiter(Waiter&&) = delete;
        Waiter& operator=(Waiter&&) = delete;

        asio::steady_timer timer; // cancelled when a connection goes

    private:
        ServerLoop& loop_;
    };

    void begin_sweep();
    [[nodiscard]] asio::awaitable<void> sweep();
    [[nodiscard]] bool has_any_of(const ListenerTag& listener) const noexcept;

    ServerContext& context_;
    const unsigned index_;
    asio::io_context& io_;
    std::shared_ptr<const Limits> limits_;
    Clock::duration sweep_interval_;
    asio::steady_timer sweep_timer_;
    bool sweeping_ = false;
    std::optional<Clock::time_point> drain_end_; // of all connections
    bool freezing_ = false;
    std::vector<Connection*> connections_;
    std::vector<HandedConnection> handed_;
    std::vector<Waiter*> waiters_;
    std::time_t date_second_ = 0;
    std::string date_;
    TaskGroup tasks_; // last: empty before anything its tasks borrow goes away
};

} // namespace belay::http
