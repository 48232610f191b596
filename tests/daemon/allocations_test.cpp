// How often a request that is answered in memory asks for more of it: never, once the connection is warm.
#include "daemon/admin.hpp"
#include "daemon/probes.hpp"
#include "tests/http/test_server.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <vector>

namespace {

thread_local std::size_t allocations = 0;

void* allocate(std::size_t size)
{
    ++allocations;
    if (void* const memory = std::malloc(size))
        return memory;
    throw std::bad_alloc{};
}

} // namespace

// Of the whole program.  The array forms call these.
void* operator new(std::size_t size)
{
    return allocate(size);
}
void operator delete(void* memory) noexcept
{
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept
{
    std::free(memory);
}

namespace belay::daemon {
namespace {

constexpr std::size_t warm_up = 20;
constexpr std::size_t requests = 100;

/** Runs `task` on this thread to its end. */
template <class Task>
void run(Task task)
{
    asio::io_context io{1};
    asio::co_spawn(io, std::move(task), asio::detached);
    io.run();
}

asio::awaitable<void> listen(Admin& admin, http::ListeningSocket socket)
{
    std::vector<http::ListeningSocket> sockets;
    sockets.push_back(std::move(socket));
    (void)co_await admin.change_listeners(std::move(sockets), {});
}

TEST(Allocations, HealthzNeedsNoneForOneRequestMore)
{
    Threads threads;
    Metrics metrics;
    http::Router control;
    std::vector<std::size_t> seen; // on the admin thread, when each request came to its handler
    seen.reserve(warm_up + requests);
    const auto answer = [&threads, &seen] {
        seen.push_back(allocations);
        const auto now = Heartbeat::Clock::now();
        return healthz(threads.wedged(now), now);
    };
    {
        Admin admin{threads, metrics, control, {.healthz = answer, .readyz = answer, .threads = answer}};
        http::ListeningSocket socket = http::open_listening_socket("127.0.0.1:0");
        const std::uint16_t port = http::port_of(socket);
        run(listen(admin, std::move(socket)));
        http::TestClient client{port};
        for (std::size_t i = 0; i < warm_up + requests && !HasFailure(); ++i) {
            client.send("GET /healthz HTTP/1.1\r\nHost: a\r\nUser-Agent: balancer\r\n\r\n");
            const auto got = client.receive();
            EXPECT_EQ(got.status, 200);
            EXPECT_TRUE(got.has("\r\nX-Request-Id: "));
        }
        client.close();
        run(admin.close());
    }
    ASSERT_EQ(seen.size(), warm_up + requests);
    EXPECT_GT(seen.front(), 0U) << "nothing is counted";
    EXPECT_EQ(seen.back() - seen[warm_up], 0U);
}

} // namespace
} // namespace belay::daemon
