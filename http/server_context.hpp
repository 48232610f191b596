#pragma once
#include "http/server.hpp"

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace belay::http {

/**
 * How many connections a server has, in all and by address.
 *
 * Loopback and unix peers are proxies of ours, which speak for many: the cap by address does not count them.
 * Threads: thread-safe.
 */
class ConnectionCaps {
public:
    explicit ConnectionCaps(const Limits& limits) noexcept { set(limits); }

    void set(const Limits& limits) noexcept;

    /** Counts a connection, if there is room for it; else that it was refused. */
    [[nodiscard]] bool try_acquire(const Peer& peer);

    /** Counts a connection that there is already, room or not. */
    void acquire(const Peer& peer);

    /** To be called once for each that was counted. */
    void release(const Peer& peer) noexcept;

    [[nodiscard]] RefusedConnections refused() const noexcept;

private:
    std::atomic<std::size_t> connections_;
    std::atomic<std::size_t> connections_per_address_;
    std::atomic<std::size_t> total_{0};
    std::atomic<std::size_t> refused_in_total_{0};
    std::atomic<std::size_t> refused_by_address_{0};
    std::mutex mutex_; // guards by_address_
    std::unordered_map<std::string, std::size_t> by_address_;
};

/** What the listeners, loops and connections of one server share. */
struct ServerContext {
    const Server::Options options; // immutable; the limits in it are those of the beginning
    ConnectionCaps caps{options.limits};
    std::atomic<bool> closing{false};    // each answer says `Connection: close`
    std::atomic<std::size_t> refused{0}; // connections over a cap that are being told so

    void warn(std::string_view what) const
    {
        if (options.on_warning)
            options.on_warning(what);
    }

    /** Of what escaped a task. */
    void warn_of(std::string_view task, std::exception_ptr error) const;
};

/** Which listener a connection came in by: its name, and by its address its identity. */
using ListenerTag = std::shared_ptr<const std::string>;

/** An accepted socket on its way to its loop. */
struct Accepted {
    UniqueFd fd;
    Peer peer;
    ListenerTag listener;
    bool over_cap = false;                    ///< to be told 503; not counted by the caps
    std::unique_ptr<HandedConnection> handed; ///< how a predecessor left it; null for a new one
};

} // namespace belay::http
