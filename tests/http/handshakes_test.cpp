#include "http/handshakes.hpp"
#include "test_server.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace belay::http {
namespace {

using namespace std::chrono_literals;

/** A socket with which a handshake is over only when data comes: the distance of a peer, at no distance. */
ListeningSocket open_deferring()
{
    ListeningSocket socket = open_listening_socket("127.0.0.1:0");
    const int seconds = 30;
    EXPECT_EQ(::setsockopt(socket.fd.get(), IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds), 0);
    socket.name = "deferring";
    return socket;
}

asio::awaitable<void> stop(Server& server)
{
    server.announce_close();
    co_await server.stop_accepting();
    co_await server.finish(std::chrono::steady_clock::now() + 20s);
}

TEST(Handshakes, AreUnderWayUntilCompletedOrForASecond)
{
    const ListeningSocket socket = open_deferring();
    const ListeningSocket other = open_deferring();
    EXPECT_FALSE(handshakes_under_way(socket.fd.get()));
    TestClient completing{port_of(socket)};
    EXPECT_TRUE(handshakes_under_way(socket.fd.get()));
    EXPECT_FALSE(handshakes_under_way(other.fd.get()));
    completing.send("G");
    EXPECT_TRUE(eventually([&] { return !handshakes_under_way(socket.fd.get()); }));
    const TestClient silent{port_of(socket)};
    EXPECT_TRUE(handshakes_under_way(socket.fd.get()));
    EXPECT_TRUE(eventually([&] { return !handshakes_under_way(socket.fd.get()); })); // before 30 s are over
}

TEST(Handshakes, ThoseUnderWayWhenTheDoorsShutAreWaitedFor)
{
    TestServer fixture;
    fixture.start();
    ListeningSocket socket = open_deferring();
    TestClient far{port_of(socket)};
    fixture.server().add_listener(std::move(socket));
    std::thread peer{[&] {
        std::this_thread::sleep_for(200ms); // what is under test is time that passes
        far.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        const auto answer = far.receive();
        EXPECT_EQ(answer.status, 200);
        EXPECT_TRUE(answer.closes());
        EXPECT_EQ(far.receive_end(), TestClient::End::eof);
        far.close();
    }};
    fixture.run(stop(fixture.server()));
    peer.join();
}

} // namespace
} // namespace belay::http
