#pragma once
// What the tests of a server's end begin and end with.
#include "tests/http/test_server.hpp"

#include <chrono>
#include <string_view>

namespace belay::http {

[[nodiscard]] inline std::chrono::steady_clock::time_point in(std::chrono::steady_clock::duration duration)
{
    return std::chrono::steady_clock::now() + duration;
}

inline asio::awaitable<void> stop_and_finish(Server& server, std::chrono::steady_clock::duration patience)
{
    co_await server.stop_accepting();
    co_await server.finish(in(patience));
}

/** The first base of what follows, so that the gate outlives the loops that turn before it. */
struct GateOwner {
    Gate gate;
};

/** A server that runs, with one request in flight until its gate is opened. */
struct BusyServer : GateOwner, TestServer {
    explicit BusyServer(unsigned loops = 1, Limits limits = {}) : TestServer{loops, limits}, busy{enter_gate()} {}

    TestClient busy; ///< waits at the gate

private:
    [[nodiscard]] TestClient enter_gate()
    {
        router.add({.method = "GET", .pattern = "/gate", .handler = gate.handler(), .admit = {}});
        start();
        TestClient client = connect();
        client.send("GET /gate HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_TRUE(eventually([this] { return gate.entered == 1; }));
        return client;
    }
};

/** A connection that has had an answer. */
[[nodiscard]] inline TestClient connect_idle(const TestServer& server)
{
    TestClient client = server.connect();
    client.send(get_root);
    EXPECT_EQ(client.receive().status, 200);
    return client;
}

/** The server ends the connection in order; so does the client then. */
inline void expect_end(TestClient& client)
{
    EXPECT_EQ(client.receive_end(), TestClient::End::eof);
    client.close();
}

/** Its request is answered, and with that its connection is over. */
inline void expect_last_answer(TestClient& client)
{
    const auto answer = client.receive();
    EXPECT_EQ(answer.status, 200);
    EXPECT_TRUE(answer.closes());
    expect_end(client);
}

} // namespace belay::http
