#pragma once
#include "base/asio.hpp"
#include "base/byte_size.hpp"
#include "base/duration.hpp"
#include "base/unique_fd.hpp"
#include "http/handler.hpp"
#include "http/middleware.hpp"
#include "http/router.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::http {

/**
 * Bounds of one server.  Every wait on a peer has a deadline, every buffer a size.
 * The values come from reference practice: Apache's RequestReadTimeout, nginx's client_* directives.
 */
struct Limits {
    Bytes header_bytes = 8_KiB;          ///< request line and fields together; more is 431 (the target alone: 414)
    std::size_t fields = 100;            ///< more is 431
    Bytes target_bytes = 2_KiB;          ///< more is 414
    Milliseconds header_timeout{10'000}; ///< from the first byte of a head to its end; 408
    Milliseconds body_timeout{20'000};   ///< plus one second for every `body_rate` bytes; 408
    Bytes body_rate = 500;               ///< bytes per second below which an upload is too slow
    Milliseconds write_timeout{30'000};  ///< a peer that takes no byte of an answer for this long is dropped
    Milliseconds idle_timeout{75'000};   ///< between requests of a kept-alive connection
    Milliseconds linger_timeout{5'000};  ///< reading and discarding after a rejection, RFC 9112 §9.6
    Milliseconds drain_hold{250};        ///< in a drain, from an answer to half-closing; longer for far peers
    Milliseconds close_timeout{1'000};   ///< after half-closing, for the peer to close too; at least the hold
    Bytes linger_bytes = 16_MiB;
    std::size_t connections = 4096;            ///< of this server; beyond: 503 and close
    std::size_t connections_per_address = 256; ///< loopback and unix sockets excepted, for reverse proxies
};

/** Body bytes held in memory by all connections of a process: reserve before reading, release when answered. */
class BodyBudget {
public:
    explicit BodyBudget(Bytes limit) noexcept : limit_(limit) {}

    [[nodiscard]] bool try_reserve(Bytes bytes) noexcept;
    void release(Bytes bytes) noexcept;

    /** Changes the limit; what is reserved stays. */
    void set_limit(Bytes limit) noexcept { limit_.store(limit, std::memory_order_relaxed); }
    [[nodiscard]] Bytes used() const noexcept { return used_.load(std::memory_order_relaxed); }

private:
    std::atomic<Bytes> limit_;
    std::atomic<Bytes> used_{0};
};

/** Where a connection stands; also the label of belay_connections{state}. */
enum class ConnectionState : std::uint8_t { fresh, partial, in_flight, responding, idle };
inline constexpr std::size_t connection_states = 5;
[[nodiscard]] std::string_view to_string(ConnectionState state) noexcept; ///< "new", "partial", "in_flight", …

/** Connections told 503, or just closed, by the cap that they were over. */
struct RefusedConnections {
    std::size_t total = 0;   ///< Limits::connections
    std::size_t address = 0; ///< Limits::connections_per_address
};

/** A bound and listening socket, and what it is called. */
struct ListeningSocket {
    std::string name; ///< as the configuration writes it: "127.0.0.1:9080", "unix:/run/x.sock", "fd:ingress"
    UniqueFd fd;
    bool passed = false;   ///< came from the service manager: its queue belongs to the successor
    std::string unix_path; ///< of our own unix socket, unlinked when closed; else empty
};

/** Connections that wait to be accepted, at most; net.core.somaxconn caps it, listen(2). */
inline constexpr int default_backlog = 4096;

/**
 * Binds and listens.  `spec` is "host:port", "[v6]:port" or "unix:/path"; a unix path that nobody listens on any more
 * is replaced, one that somebody listens on is an error.  SO_REUSEADDR, CLOEXEC and non-blocking are set.
 * @throws std::system_error whose text names the spec; std::invalid_argument for a malformed spec
 */
[[nodiscard]] ListeningSocket open_listening_socket(
    const std::string& spec, int backlog = default_backlog, unsigned unix_mode = 0660);

/** A connection on its way to the server that takes over, cut between two answers. */
struct HandedConnection {
    UniqueFd fd;
    std::string listener;    ///< the name of the one it came in by
    std::string input;       ///< what the peer has sent since its last answer: parsed afresh
    std::string output;      ///< what the peer is to get first
    bool served_any = false; ///< it has had an answer
    bool unanswered = false; ///< `input` begins with a request that was left to the successor
    /** Nothing more is served: half-closed, or to be once `output` is sent, and lingered on for so long. */
    std::optional<Milliseconds> linger{};
};

/** All that a server holds open. */
struct HandedServer {
    std::vector<ListeningSocket> listeners;
    std::vector<HandedConnection> connections;
};

/**
 * An HTTP/1.1 server on io_contexts that others run.
 *
 * Each listener has one acceptor, on the first loop, which deals sockets to the loops in turn; a connection never
 * changes its loop.  Every request that gets an answer, rejected ones included, passes middleware and handler once.
 *
 * Lifetime: borrows loops, router and budget.  Before it is destroyed, close() must have returned.
 * Threads: everything is awaited or called on the thread of the executor given as `control`, but for what says
 * thread-safe.
 */
class Server {
public:
    struct Options {
        std::string name;                     ///< "ingress", "admin", "control": for logs and metrics
        std::vector<asio::io_context*> loops; ///< at least one
        asio::any_io_executor control;        ///< where the methods below are called
        const Router* router = nullptr;       ///< asked for admission before a body is read
        Handler handler;                      ///< router->dispatcher()
        Middleware middleware{};              ///< around the handler
        BodyBudget* bodies = nullptr;         ///< null: not accounted
        Limits limits;
        /** Something odd that was handled (accept failed: paused, retrying).  Called on any loop. */
        std::function<void(std::string_view what)> on_warning;
    };

    explicit Server(Options options);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    Server(Server&&) = delete;
    Server& operator=(Server&&) = delete;

    /** Starts accepting on `socket`. */
    void add_listener(ListeningSocket socket);

    /** Changes the limits: of new connections, and of how many there may be.  Those that are open keep theirs. */
    void set_limits(const Limits& limits);

    /** The names of the listeners, in the order they were added. */
    [[nodiscard]] std::vector<std::string> listeners() const;

    /** The address actually bound, e.g. "127.0.0.1:43121" where port 0 was asked for. */
    [[nodiscard]] std::string bound_address(std::string_view listener) const;

    /**
     * Lets the listeners of that name go: in the background, what their backlogs hold is taken, they are closed, and
     * their connections are drained as by finish().
     * @return those that were passed, for who may want to accept on them again: their queues go on filling
     */
    [[nodiscard]] std::vector<ListeningSocket> remove_listener(const std::string& name);

    /** From now on each answer carries `Connection: close`.  Accepting goes on.  Thread-safe. */
    void announce_close();

    /**
     * Shuts the doors: no new connection is lost that had completed its handshake (SYN filter, backlog to EAGAIN).
     * Where that takes descriptors that are not there, connections begin to end as by finish().
     */
    [[nodiscard]] asio::awaitable<void> stop_accepting();

    /**
     * Ends every connection without resetting one.  Requests in flight are answered; one that is still coming in when
     * there is just time left to say so gets a 408.  A connection without a request is held until its last answer, or
     * its beginning, is as old as Limits::drain_hold: a request may be on its way.  Then it gets a last-chance read, is
     * half-closed and lingered.  Returns when none is left; after `deadline` those that wait for their peer are closed
     * hard, and after `last_deadline` those whose request is still being handled, too.
     */
    [[nodiscard]] asio::awaitable<void> finish(
        std::chrono::steady_clock::time_point deadline, std::chrono::steady_clock::time_point last_deadline);

    /** Likewise, with one deadline for all. */
    [[nodiscard]] asio::awaitable<void> finish(std::chrono::steady_clock::time_point deadline)
    {
        return finish(deadline, deadline);
    }

    /**
     * Lets go of everything without closing anything, for a successor that will resume() it: backlogs keep what comes
     * in meanwhile, requests being handled are answered, every other connection is taken where it stands, idle or in
     * the middle of a body or of an answer.  Listeners that are being removed have been closed by then.
     * @return nothing if that, or a request, was still being handled at the deadline: the server goes on as before
     */
    [[nodiscard]] asio::awaitable<std::optional<HandedServer>> freeze(std::chrono::steady_clock::time_point deadline);

    /**
     * freeze() of what can be, connections only: one whose request is still being handled at the deadline stays, and
     * goes on as before.
     */
    [[nodiscard]] asio::awaitable<std::vector<HandedConnection>> freeze_connections(
        std::chrono::steady_clock::time_point deadline);

    /**
     * Goes on with connections that a freeze left here and that left a request to a successor afterwards.  To be called
     * once handlers leave no more of them: they are asked again.
     */
    [[nodiscard]] asio::awaitable<void> resume_left();

    /** Goes on where freeze() stopped, be it of this server or of one in another process. */
    void resume(HandedServer handed);

    /** Closes listeners and connections at once.  Returns when no coroutine of the server is left.  Repeating is fine.
     */
    [[nodiscard]] asio::awaitable<void> close();

    /** Connections by state.  Thread-safe. */
    [[nodiscard]] std::array<std::size_t, connection_states> connections() const noexcept;

    /** Since it was made.  Thread-safe. */
    [[nodiscard]] RefusedConnections refused_connections() const noexcept;

    /** Requests being read, handled or answered.  Thread-safe. */
    [[nodiscard]] std::size_t requests_in_flight() const noexcept;

    /** How often, since it was made, a connection had one in flight and none before: if this has not changed and none
     *  is in flight, none was meanwhile.  Thread-safe. */
    [[nodiscard]] std::size_t requests_begun() const noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace belay::http
