// How often a request that is answered in memory asks for more of it: never, once the connection is warm.
#include "daemon/admin.hpp"
#include "daemon/probes.hpp"
#include "tests/allocations.hpp"
#include "tests/http/test_server.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <gtest/gtest.h>

#include <atomic>
#include <vector>

namespace belay::daemon {
namespace {

constexpr std::size_t in_a_row = 100;
constexpr std::size_t patience = 20 * in_a_row; // a path that is taken for the first time may need some, once

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
    std::atomic<std::size_t> needed = 0; // of the admin thread, when a request has come to its handler
    const auto answer = [&threads, &needed] {
        needed = allocations();
        const auto now = Heartbeat::Clock::now();
        return healthz(threads.wedged(now), now);
    };
    {
        Admin admin{threads, metrics, control, {.healthz = answer, .readyz = answer, .threads = answer}};
        http::ListeningSocket socket = http::open_listening_socket("127.0.0.1:0");
        const std::uint16_t port = http::port_of(socket);
        run(listen(admin, std::move(socket)));
        http::TestClient client{port};
        std::size_t without = 0;
        for (std::size_t before = 0, i = 0; i < patience && without < in_a_row && !HasFailure(); ++i) {
            client.send("GET /healthz HTTP/1.1\r\nHost: a\r\nUser-Agent: balancer\r\n\r\n");
            const auto got = client.receive();
            EXPECT_EQ(got.status, 200);
            EXPECT_TRUE(got.has("\r\nX-Request-Id: "));
            without = needed == before ? without + 1 : 0;
            before = needed;
        }
        EXPECT_GT(needed, 0U) << "nothing is counted";
        EXPECT_EQ(without, in_a_row);
        client.close();
        run(admin.close());
    }
}

} // namespace
} // namespace belay::daemon
