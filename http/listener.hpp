#pragma once
#include "http/server_context.hpp"
#include "http/server_loop.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace belay::http {

/**
 * Accepts the connections of one listening socket and deals them to the loops in turn.
 *
 * Lifetime: borrows context and loops; its accept loop, a task of the first loop, shares in its ownership, and ends
 * with close(), shut(), release() or ServerLoop::abort_all().
 * Threads: confined to the first loop, but for the accessors; copy_of_passed() only before the end has begun.
 */
class Listener {
public:
    Listener(ServerContext& context, const std::vector<std::unique_ptr<ServerLoop>>& loops, ListeningSocket socket,
        ListenerTag tag);

    [[nodiscard]] const std::string& name() const noexcept { return *tag_; }
    [[nodiscard]] const ListenerTag& tag() const noexcept { return tag_; }
    [[nodiscard]] const std::string& bound_address() const noexcept { return bound_address_; }

    /** A descriptor more of a passed socket, which stays open when this one is closed; none of a socket of our own. */
    [[nodiscard]] UniqueFd copy_of_passed();

    /** Starts accepting.  @param self this */
    void start(std::shared_ptr<Listener> self);

    /**
     * Closes the door without shutting it in anybody's face: new handshakes are ignored (the peer's kernel tries again
     * and meets the successor), those under way are waited for, all completed are taken, then the socket is closed.  A
     * passed socket is only let go.  Where there are no descriptors for those that wait, the connections that came in
     * by `leaving`, null: all, begin to drain at once instead of afterwards.  close() ends it early.
     */
    [[nodiscard]] asio::awaitable<void> shut(ListenerTag leaving);

    /** Stops accepting and gives the socket away as it is: open, its queue filling. */
    [[nodiscard]] asio::awaitable<ListeningSocket> release();

    /** Closes the socket, with whatever waits in its queue.  Repeating it is fine. */
    void close() noexcept;

private:
    class Ended { // when it goes, the accept loop has ended
    public:
        explicit Ended(Listener& listener) noexcept : listener_(listener) {}
        ~Ended();
        Ended(const Ended&) = delete;
        Ended& operator=(const Ended&) = delete;
        Ended(Ended&&) = delete;
        Ended& operator=(Ended&&) = delete;

    private:
        Listener& listener_;
    };

    [[nodiscard]] asio::awaitable<void> accept_loop(std::shared_ptr<Listener> self);
    [[nodiscard]] asio::awaitable<void> end_accepting();
    [[nodiscard]] int accept_all() noexcept;
    [[nodiscard]] bool somebody_waits() noexcept;
    void drain(const ListenerTag& leaving);
    void deal(UniqueFd fd, Peer peer);
    void warn_of_shortage(int error) noexcept;
    void warn_of_cap(const Peer& peer);
    [[nodiscard]] UniqueFd copy() noexcept;
    void unlink_path() noexcept;
    [[nodiscard]] bool ignore_handshakes() noexcept;
    [[nodiscard]] asio::awaitable<void> complete_handshakes();
    [[nodiscard]] asio::awaitable<bool> pause_for(std::chrono::steady_clock::duration duration);

    ServerContext& context_;
    const std::vector<std::unique_ptr<ServerLoop>>& loops_;
    const ListenerTag tag_;
    const bool passed_;
    std::string unix_path_; // empty: none, or it is unlinked
    const std::string bound_address_;
    asio::posix::stream_descriptor socket_;
    UniqueFd copy_; // of a passed one, made at the beginning: at its removal there may be no descriptor
    asio::steady_timer pause_;
    std::size_t next_loop_ = 0;
    std::chrono::steady_clock::time_point next_cap_warning_;
    bool stopping_ = false;
    bool ended_ = true; // no accept loop runs
};

} // namespace belay::http
