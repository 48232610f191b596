#pragma once
#include "base/trace_context.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::http {

/** One field line; the name as the client wrote it. */
struct Field {
    std::string_view name;
    std::string_view value;
};

/** Why a request is answered without being dispatched: the header policy, a limit, a deadline. */
struct Rejection {
    int status = 400;
    std::string detail;                                      ///< one sentence for the client; never echoes what it sent
    std::vector<std::pair<std::string, std::string>> fields; ///< extra response fields, e.g. Allow, Retry-After
};

/** Who sent it. */
struct Peer {
    std::string address; ///< "192.0.2.7", also of an IPv6 socket; "2001:db8::1" without brackets; or "unix"
    std::uint16_t port = 0;
    bool loopback = false; ///< 127.0.0.0/8, ::1 or a unix socket
};

struct Request;

/** Who waits for the answer, to a handler that takes its time.  Threads: confined to the loop of the connection. */
class Caller {
public:
    Caller() = default;
    Caller(const Caller&) = delete;
    Caller& operator=(const Caller&) = delete;
    Caller(Caller&&) = delete;
    Caller& operator=(Caller&&) = delete;

    /**
     * Has `left` called, once, within a second or so after the peer has closed its side of the connection, be it that
     * it still reads: nothing else tells whether it is there.  {}: no longer.  The answer is sent all the same.
     */
    virtual void on_leave(std::function<void()> left) = 0;

    /** Gives back the memory of the body, which is empty from then on. */
    virtual void release_body(Request& request) noexcept = 0;

protected:
    ~Caller() = default;
};

/**
 * One request, from its parsed head to its answer.
 *
 * Views point into the connection's buffers and hold until the handler's response has been produced.
 * Threads: confined to the loop of its connection.
 */
struct Request {
    std::string_view method; ///< the exact token, "POST"
    std::string_view target; ///< as received, origin or absolute form
    std::string_view path;   ///< begins with '/', still percent-encoded
    std::string_view query;  ///< without '?', still percent-encoded
    std::span<const Field> fields;
    std::string_view body;
    std::size_t released_body = 0; ///< bytes of a body that was given back, see Caller

    const Peer* peer = nullptr;
    Caller* caller = nullptr;  ///< null where it comes from no connection
    std::string_view listener; ///< the name of the listener it came in by, as in the configuration
    unsigned loop = 0;         ///< index of the io_context that serves it, 0-based

    std::optional<Rejection> rejection; ///< set: answer with this, dispatch nothing
    bool left_by_predecessor = false;   ///< a predecessor was asked this before, Response::left_to_successor

    // Filled by the router:
    std::string_view route;                                                ///< the pattern that matched; "" for none
    std::vector<std::pair<std::string_view, std::string>> path_parameters; ///< percent-decoded

    // Filled by the steps of the middleware:
    std::string id;     ///< X-Request-Id: the client's if it is sane, else a new one; sent back if there is one
    TraceContext trace; ///< belay's own span
    std::string client; ///< whom it comes from, see client_address(); "" where no step asks

    /** As if new, but for the memory of its texts and lists, which the next one needs as well. */
    void reset() noexcept;

    /** The first field of that name (case-insensitive), if any. */
    [[nodiscard]] std::optional<std::string_view> field(std::string_view name) const noexcept;

    /** How many fields have that name (case-insensitive). */
    [[nodiscard]] std::size_t count(std::string_view name) const noexcept;

    /** A path parameter by name; "" if the route has none of that name. */
    [[nodiscard]] std::string_view path_parameter(std::string_view name) const noexcept;
};

} // namespace belay::http
