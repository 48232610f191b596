#pragma once
#include "http/server.hpp"

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

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

/**
 * A connection's place among those that are counted: by the caps, or as one over them that is being told so.  It is
 * given back when this goes.
 *
 * Lifetime: borrows the context.
 */
class Place {
public:
    /** Takes over what has been counted already. */
    Place(ServerContext& context, Peer peer, bool over_cap) noexcept
        : context_(&context), peer_(std::move(peer)), over_cap_(over_cap)
    {
    }
    Place(Place&& other) noexcept
        : context_(std::exchange(other.context_, nullptr)), peer_(std::move(other.peer_)), over_cap_(other.over_cap_)
    {
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    Place& operator=(Place&&) = delete;
    ~Place();

    [[nodiscard]] const Peer& peer() const noexcept { return peer_; }
    [[nodiscard]] bool over_cap() const noexcept { return over_cap_; } ///< to be told 503; not counted by the caps

private:
    ServerContext* context_; // null: moved from
    Peer peer_;
    bool over_cap_;
};

/** An accepted socket on its way to its loop. */
struct Accepted {
    UniqueFd fd;
    Place place;
    ListenerTag listener;
    std::unique_ptr<HandedConnection> handed; ///< how a predecessor left it; null for a new one
};

} // namespace belay::http
