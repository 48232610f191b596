#include "http/server.hpp"

#include "base/run_on.hpp"
#include "base/task_group.hpp"
#include "http/listener.hpp"
#include "http/peer.hpp"
#include "http/server_context.hpp"
#include "http/server_loop.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <cassert>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace belay::http {
namespace {

constexpr auto no_deadline = std::chrono::steady_clock::time_point::max();

/** Not a task of the server's groups: what it waits for is often that those groups are empty. */
template <class T>
asio::awaitable<T> on(ServerLoop& loop, asio::awaitable<T> task)
{
    return run_on(loop.io(), std::move(task));
}

// Coroutines rather than closures: GCC 12 destroys captured state of coroutine lambdas too early.

asio::awaitable<void> begin_drain(ServerLoop& loop, ListenerTag listener, std::chrono::steady_clock::time_point end)
{
    loop.drain(listener, end);
    co_return;
}

asio::awaitable<void> abort_all(ServerLoop& loop)
{
    loop.abort_all();
    co_return;
}

asio::awaitable<void> abort_waiting(ServerLoop& loop)
{
    loop.abort_waiting();
    co_return;
}

asio::awaitable<void> begin_freeze(ServerLoop& loop)
{
    loop.freeze();
    co_return;
}

asio::awaitable<std::vector<HandedConnection>> end_freeze(ServerLoop& loop)
{
    co_return loop.thaw();
}

asio::awaitable<void> close_listener(Listener& listener)
{
    listener.close();
    co_return;
}

} // namespace

std::string_view to_string(ConnectionState state) noexcept
{
    switch (state) {
    case ConnectionState::fresh:
        return "new";
    case ConnectionState::partial:
        return "partial";
    case ConnectionState::in_flight:
        return "in_flight";
    case ConnectionState::responding:
        return "responding";
    case ConnectionState::idle:
        return "idle";
    }
    return "unknown";
}

struct Server::State {
    explicit State(Options options)
        : context{.options = std::move(options)},
          removals(context.options.control,
              [this](std::string_view task, const std::exception_ptr& error) { context.warn_of(task, error); })
    {
        for (unsigned i = 0; i < context.options.loops.size(); ++i)
            loops.push_back(std::make_unique<ServerLoop>(context, i));
    }

    [[nodiscard]] ServerLoop& front() const { return *loops.front(); }

    /** Half-closes and lingers what is idle, waits for the rest; null: everything. */
    asio::awaitable<void> drain(ListenerTag listener, std::chrono::steady_clock::time_point deadline)
    {
        for (const auto& loop : loops) // all begin before the first is waited for
            co_await on(*loop, begin_drain(*loop, listener, deadline));
        for (const auto& loop : loops)
            co_await on(*loop, loop->wait_until_gone(listener, deadline));
    }

    asio::awaitable<void> remove(std::shared_ptr<Listener> listener)
    {
        co_await on(front(), listener->shut(listener->tag()));
        std::erase(leaving, listener);
        if (leaving.empty())
            left.cancel();
        co_await drain(listener->tag(), no_deadline);
    }

    /** @return false if some listener is still leaving at the deadline */
    asio::awaitable<bool> wait_for_leaving(std::chrono::steady_clock::time_point deadline)
    {
        while (!leaving.empty() && std::chrono::steady_clock::now() < deadline) {
            left.expires_at(deadline);
            error_code ec;
            co_await left.async_wait(asio::redirect_error(asio::use_awaitable, ec));
        }
        co_return leaving.empty();
    }

    void add(ListeningSocket socket, ListenerTag tag)
    {
        listeners.push_back(std::make_shared<Listener>(context, loops, std::move(socket), std::move(tag)));
        asio::post(front().io(), [listener = listeners.back()] { listener->start(listener); });
    }

    /** Ends the freeze of each loop. @return what was handed over since it began */
    asio::awaitable<std::vector<HandedConnection>> take_handed()
    {
        std::vector<HandedConnection> handed;
        for (const auto& loop : loops) {
            std::vector<HandedConnection> connections = co_await on(*loop, end_freeze(*loop));
            std::ranges::move(connections, std::back_inserter(handed));
        }
        co_return handed;
    }

    /** Deals a connection to the next loop.  It drains there if the listener that it came in by was removed. */
    void resume(HandedConnection connection)
    {
        std::optional<Peer> peer = peer_of(connection.fd.get());
        if (!peer)
            return; // it has been reset meanwhile
        context.caps.acquire(*peer);
        const auto found = find(connection.listener);
        const bool removed = found == listeners.end();
        const ListenerTag tag = removed ? std::make_shared<const std::string>(connection.listener) : (*found)->tag();
        Accepted accepted{.fd = std::move(connection.fd),
            .place = Place{context, std::move(*peer), false},
            .listener = tag,
            .handed = std::make_unique<HandedConnection>(std::move(connection))};
        ServerLoop& loop = *loops[next_loop++ % loops.size()];
        loop.deliver(std::move(accepted));
        if (removed)
            asio::post(loop.io(), [&loop, tag] { loop.drain(tag, no_deadline); });
    }

    [[nodiscard]] std::vector<std::shared_ptr<Listener>>::iterator find(std::string_view name)
    {
        return std::ranges::find(listeners, name, [](const auto& listener) { return listener->name(); });
    }

    ServerContext context;
    std::vector<std::unique_ptr<ServerLoop>> loops;
    // Confined to control:
    std::vector<std::shared_ptr<Listener>> listeners;
    std::vector<std::shared_ptr<Listener>> leaving{}; // removed, and not closed yet
    asio::steady_timer left{context.options.control}; // cancelled when none is leaving any more
    std::size_t next_loop = 0;                        // for what is resumed
    TaskGroup removals;                               // last; never cancelled: its tasks await other loops
};

Server::Server(Options options)
{
    if (options.loops.empty() || options.router == nullptr || !options.handler)
        throw std::logic_error{"an http::Server needs loops, a router and a handler"};
    state_ = std::make_unique<State>(std::move(options));
}

Server::~Server() = default;

void Server::add_listener(ListeningSocket socket)
{
    ListenerTag tag = std::make_shared<const std::string>(socket.name);
    state_->add(std::move(socket), std::move(tag));
}

void Server::set_limits(const Limits& limits)
{
    state_->context.caps.set(limits);
    for (const auto& loop : state_->loops) {
        auto mine = std::make_shared<const Limits>(limits); // one for each loop: its reference count stays on that core
        asio::post(loop->io(), [&loop = *loop, mine = std::move(mine)]() mutable { loop.set_limits(std::move(mine)); });
    }
}

std::vector<std::string> Server::listeners() const
{
    std::vector<std::string> names;
    for (const auto& listener : state_->listeners)
        names.push_back(listener->name());
    return names;
}

std::string Server::bound_address(std::string_view listener) const
{
    const auto found = state_->find(listener);
    return found == state_->listeners.end() ? std::string{} : (*found)->bound_address();
}

std::vector<ListeningSocket> Server::remove_listener(const std::string& name)
{
    std::vector<ListeningSocket> passed;
    for (auto found = state_->find(name); found != state_->listeners.end(); found = state_->find(name)) {
        std::shared_ptr<Listener> removed = std::move(*found);
        state_->listeners.erase(found);
        if (UniqueFd copy = removed->copy_of_passed())
            passed.push_back({.name = name, .fd = std::move(copy), .passed = true, .unix_path = {}});
        state_->leaving.push_back(removed);
        state_->removals.spawn("remove listener", state_->remove(std::move(removed)));
    }
    return passed;
}

void Server::announce_close()
{
    state_->context.closing.store(true, std::memory_order_relaxed);
}

asio::awaitable<void> Server::stop_accepting()
{
    for (const auto& listener : state_->listeners)
        co_await on(state_->front(), listener->shut(nullptr));
    state_->listeners.clear();
    (void)co_await state_->wait_for_leaving(no_deadline);
}

asio::awaitable<void> Server::finish(
    std::chrono::steady_clock::time_point deadline, std::chrono::steady_clock::time_point last_deadline)
{
    announce_close();
    co_await state_->drain(nullptr, deadline);
    for (const auto& loop : state_->loops)
        co_await on(*loop, abort_waiting(*loop));
    for (const auto& loop : state_->loops)
        co_await on(*loop, loop->wait_until_gone(nullptr, last_deadline));
    for (const auto& loop : state_->loops)
        co_await on(*loop, abort_all(*loop));
    for (const auto& loop : state_->loops)
        co_await on(*loop, loop->wait_until_gone(nullptr, no_deadline));
}

asio::awaitable<std::optional<HandedServer>> Server::freeze(std::chrono::steady_clock::time_point deadline)
{
    HandedServer handed;
    if (!co_await state_->wait_for_leaving(deadline)) { // a request may have been left to a successor already
        handed.connections = co_await freeze_connections(deadline);
        resume(std::move(handed));
        co_return std::nullopt;
    }
    std::vector<ListenerTag> tags;
    for (const auto& listener : state_->listeners) {
        ListeningSocket socket = co_await on(state_->front(), listener->release());
        handed.listeners.push_back(std::move(socket));
        tags.push_back(listener->tag());
    }
    state_->listeners.clear();
    handed.connections = co_await freeze_connections(deadline); // what was accepted last has reached its loop by then
    const std::array<std::size_t, connection_states> left = connections();
    if (std::ranges::any_of(left, [](std::size_t count) { return count != 0; })) {
        for (std::size_t i = 0; i < tags.size(); ++i) // under their tags, which the connections that stayed have
            state_->add(std::move(handed.listeners[i]), std::move(tags[i]));
        handed.listeners.clear();
        resume(std::move(handed));
        co_return std::nullopt;
    }
    co_return handed;
}

asio::awaitable<std::vector<HandedConnection>> Server::freeze_connections(
    std::chrono::steady_clock::time_point deadline)
{
    for (const auto& loop : state_->loops)
        co_await on(*loop, begin_freeze(*loop));
    for (const auto& loop : state_->loops)
        co_await on(*loop, loop->wait_until_gone(nullptr, deadline));
    co_return co_await state_->take_handed();
}

asio::awaitable<void> Server::resume_left()
{
    HandedServer left;
    left.connections = co_await state_->take_handed();
    resume(std::move(left));
}

void Server::resume(HandedServer handed)
{
    for (ListeningSocket& socket : handed.listeners)
        add_listener(std::move(socket));
    for (HandedConnection& connection : handed.connections)
        state_->resume(std::move(connection));
}

asio::awaitable<void> Server::close()
{
    std::vector<std::shared_ptr<Listener>> listeners = std::exchange(state_->listeners, {});
    std::ranges::copy(state_->leaving, std::back_inserter(listeners)); // which is to end early
    for (const auto& listener : listeners)
        co_await on(state_->front(), close_listener(*listener));
    for (const auto& loop : state_->loops)
        co_await on(*loop, abort_all(*loop));
    for (const auto& loop : state_->loops)
        co_await on(*loop, loop->wait_until_closed());
    co_await state_->removals.wait_until_empty();
}

std::array<std::size_t, connection_states> Server::connections() const noexcept
{
    std::array<std::size_t, connection_states> sum{};
    for (const auto& loop : state_->loops)
        for (std::size_t i = 0; i < connection_states; ++i)
            sum[i] += loop->counts.by_state[i].load(std::memory_order_relaxed);
    return sum;
}

RefusedConnections Server::refused_connections() const noexcept
{
    return state_->context.caps.refused();
}

std::size_t Server::requests_in_flight() const noexcept
{
    std::size_t sum = 0;
    for (const auto& loop : state_->loops)
        sum += loop->counts.requests.load(std::memory_order_relaxed);
    return sum;
}

std::size_t Server::requests_begun() const noexcept
{
    std::size_t sum = 0;
    for (const auto& loop : state_->loops)
        sum += loop->counts.requests_begun.load(std::memory_order_relaxed);
    return sum;
}

} // namespace belay::http
