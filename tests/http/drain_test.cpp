// How a server goes: nothing that was sent to it in time is lost, and nobody gets a reset.
#include "test_server.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <filesystem>
#include <functional>

namespace belay::http {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view get_root = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view get_gate = "GET /gate HTTP/1.1\r\nHost: a\r\n\r\n";

std::chrono::steady_clock::time_point in(std::chrono::steady_clock::duration duration)
{
    return std::chrono::steady_clock::now() + duration;
}

asio::awaitable<void> finish_and_stop(Server& server)
{
    co_await server.finish(in(0s));
    co_await server.stop_accepting();
}

asio::awaitable<void> stop_and_finish(Server& server, std::chrono::steady_clock::duration patience)
{
    co_await server.stop_accepting();
    co_await server.finish(in(patience));
}

/** Removes a listener, and goes on with that until it is `far_enough`. */
asio::awaitable<void> remove(Server& server, std::string listener, std::function<bool()> far_enough)
{
    EXPECT_TRUE(server.remove_listener(listener).empty()); // it is our own
    const auto executor = co_await asio::this_coro::executor;
    while (!far_enough())
        co_await asio::post(executor, asio::use_awaitable);
}

/** Of what it listens on, handshakes are under way until the peer has sent something. */
ListeningSocket open_deferring_socket()
{
    ListeningSocket socket = open_listening_socket("127.0.0.1:0");
    const int seconds = 30;
    EXPECT_EQ(::setsockopt(socket.fd.get(), IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds), 0);
    socket.name = "deferring";
    return socket;
}

std::uint16_t port_of(const Server& server, std::string_view listener)
{
    const std::string address = server.bound_address(listener);
    return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
}

asio::awaitable<void> freeze(Server& server, std::optional<HandedServer>& handed)
{
    handed = co_await server.freeze(in(10s));
}

asio::awaitable<void> freeze_in_vain(Server& server)
{
    const std::optional<HandedServer> handed = co_await server.freeze(in(20ms));
    EXPECT_FALSE(handed);
}

TEST(Drain, AnnouncedCloseIsSaidWithTheNextAnswerAndAcceptingGoesOn)
{
    TestServer fixture;
    fixture.start();
    TestClient client = fixture.connect();
    client.send(get_root);
    EXPECT_FALSE(client.receive().closes());
    fixture.server().announce_close();
    client.send(get_root);
    EXPECT_TRUE(client.receive().closes());
    EXPECT_EQ(client.receive_end(), TestClient::End::eof);
    TestClient late = fixture.connect();
    late.send(get_root);
    const auto answer = late.receive();
    EXPECT_EQ(answer.status, 200);
    EXPECT_TRUE(answer.closes());
}

TEST(Drain, WhatWasPipelinedBeforeTheCloseIsAnswered)
{
    TestServer fixture;
    fixture.start();
    fixture.server().announce_close();
    TestClient client = fixture.connect();
    client.send(std::string{get_root} + std::string{get_root} + std::string{get_root});
    EXPECT_FALSE(client.receive().closes());
    EXPECT_FALSE(client.receive().closes());
    EXPECT_TRUE(client.receive().closes());
    EXPECT_EQ(client.receive_end(), TestClient::End::eof);
}

TEST(Drain, RequestsInFlightAreAnsweredAndIdleConnectionsAreNotReset)
{
    Gate gate;
    TestServer fixture{2};
    fixture.router.add({.method = "GET", .pattern = "/gate", .handler = gate.handler(), .admit = {}});
    fixture.start();
    TestClient idle = fixture.connect();
    idle.send(get_root);
    EXPECT_EQ(idle.receive().status, 200);
    TestClient silent = fixture.connect();
    TestClient busy = fixture.connect();
    busy.send(get_gate);
    ASSERT_TRUE(eventually([&] { return gate.entered == 1; }));
    TestClient uploading = fixture.connect();
    uploading.send("GET / HTTP/1.1\r\nHo");
    ASSERT_TRUE(eventually([&] { return fixture.server().requests_in_flight() == 2; }));

    std::thread peers{[&] {
        EXPECT_EQ(idle.receive_end(), TestClient::End::eof);
        idle.close();
        EXPECT_EQ(silent.receive_end(), TestClient::End::eof);
        silent.close();
        uploading.send("st: a\r\n\r\n");
        const auto uploaded = uploading.receive();
        EXPECT_EQ(uploaded.status, 200);
        EXPECT_TRUE(uploaded.closes());
        EXPECT_EQ(uploading.receive_end(), TestClient::End::eof);
        uploading.close();
        gate.open = true;
        const auto answer = busy.receive();
        EXPECT_EQ(answer.status, 200);
        EXPECT_TRUE(answer.closes());
        EXPECT_EQ(busy.receive_end(), TestClient::End::eof);
        busy.close();
    }};
    fixture.run(stop_and_finish(fixture.server(), 20s));
    EXPECT_EQ(total(fixture.server()), 0U);
    peers.join();
}

TEST(Drain, APeerThatNeverClosesDelaysItByTheLingerOnly)
{
    TestServer fixture;
    fixture.start();
    TestClient deaf = fixture.connect();
    deaf.send(get_root);
    EXPECT_EQ(deaf.receive().status, 200);
    const auto start = std::chrono::steady_clock::now();
    fixture.run(stop_and_finish(fixture.server(), 60s));
    EXPECT_LT(std::chrono::steady_clock::now() - start, 10s);
    EXPECT_EQ(deaf.receive_end(), TestClient::End::eof);
}

TEST(Drain, TheDeadlineEndsWhatDoesNotEnd)
{
    Gate gate;
    TestServer fixture;
    fixture.router.add({.method = "GET", .pattern = "/gate", .handler = gate.handler(), .admit = {}});
    fixture.start();
    TestClient client = fixture.connect();
    client.send(get_gate);
    ASSERT_TRUE(eventually([&] { return gate.entered == 1; }));
    fixture.run(stop_and_finish(fixture.server(), 200ms));
    EXPECT_EQ(total(fixture.server()), 0U);
}

TEST(Drain, WhatIsBeingHandledOutlastsTheDeadlineOfThoseThatWaitForTheirPeer)
{
    Gate gate;
    TestServer fixture;
    fixture.router.add({.method = "GET", .pattern = "/gate", .handler = gate.handler(), .admit = {}});
    fixture.start();
    TestClient busy = fixture.connect();
    busy.send(get_gate);
    ASSERT_TRUE(eventually([&] { return gate.entered == 1; }));
    TestClient uploading = fixture.connect();
    uploading.send("GET / HTTP/1.1\r\nHo");
    ASSERT_TRUE(eventually([&] { return fixture.server().requests_in_flight() == 2; }));
    std::thread peer{[&] {
        EXPECT_TRUE(eventually([&] { return total(fixture.server()) == 1; })) << "the deadline";
        gate.open = true;
        const auto answer = busy.receive();
        EXPECT_EQ(answer.status, 200);
        EXPECT_TRUE(answer.closes());
        EXPECT_EQ(busy.receive_end(), TestClient::End::eof);
        busy.close();
    }};
    fixture.run(fixture.server().finish(in(0s), in(60s)));
    EXPECT_EQ(total(fixture.server()), 0U);
    peer.join();
}

TEST(Drain, TheBacklogIsServedAndThenNobodyConnects)
{
    TestServer fixture;
    std::atomic<bool> blocked{false};
    std::atomic<bool> release{false};
    fixture.router.add({.method = "GET",
        .pattern = "/block",
        .handler =
            [&](Request& request) { // holds up the whole loop, so that nothing is accepted
                blocked = true;
                while (!release)
                    std::this_thread::yield();
                return answer_with(200, "")(request);
            },
        .admit = {}});
    fixture.start();
    TestClient blocker = fixture.connect();
    blocker.send("GET /block HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_TRUE(eventually([&] { return blocked.load(); }));
    std::vector<TestClient> waiting; // connected as the kernel sees it, accepted by nobody
    for (int i = 0; i < 200; ++i) {
        waiting.push_back(fixture.connect());
        waiting.back().send(get_root);
    }
    std::thread peers{[&] {
        release = true;
        EXPECT_EQ(blocker.receive().status, 200);
        blocker.close();
        for (TestClient& client : waiting) {
            EXPECT_EQ(client.receive().status, 200);
            EXPECT_EQ(client.receive_end(), TestClient::End::eof);
            client.close();
        }
    }};
    fixture.run(stop_and_finish(fixture.server(), 20s));
    peers.join();
    TestClient late = fixture.connect();
    EXPECT_FALSE(late.try_send(get_root));
}

TEST(Drain, StopAndFinishUnderLoadLoseNothing)
{
    for (int round = 0; round < 5; ++round) {
        TestServer fixture{2};
        fixture.start();
        std::atomic<bool> stop{false};
        std::atomic<int> served{0};
        std::atomic<int> lost{0};
        std::vector<std::thread> peers;
        for (int i = 0; i < 8; ++i)
            peers.emplace_back([&, i] {
                while (!stop) {
                    TestClient client = fixture.connect();
                    if (!client.connected())
                        return; // refused: the socket is closed, which no connection of ours sees
                    for (bool open = true; open && !stop;) {
                        client.send(get_root);
                        const auto answer = client.receive();
                        answer.status == 200 ? ++served : ++lost;
                        open = answer.status == 200 && !answer.closes() && i % 2 == 0;
                    }
                }
            });
        EXPECT_TRUE(eventually([&] { return served > 200; }));
        fixture.run(stop_and_finish(fixture.server(), 20s));
        stop = true;
        for (std::thread& peer : peers)
            peer.join();
        EXPECT_EQ(lost, 0);
    }
}

TEST(Drain, RemovingAListenerDrainsItsConnectionsOnly)
{
    TestServer fixture;
    fixture.start();
    Server& server = fixture.server();
    const auto directory = std::filesystem::temp_directory_path() / ("belay-" + std::to_string(::getpid()));
    std::filesystem::create_directory(directory);
    const std::string spec = "unix:" + (directory / "x.sock").string();
    server.add_listener(open_listening_socket(spec));
    EXPECT_EQ(server.listeners(), (std::vector<std::string>{"127.0.0.1:0", spec}));
    EXPECT_EQ(server.bound_address(spec), spec);

    TestClient other = fixture.connect();
    TestClient client{spec};
    for (TestClient* each : {&other, &client}) {
        each->send(get_root);
        EXPECT_EQ(each->receive().status, 200);
    }
    std::thread peer{[&] {
        EXPECT_EQ(client.receive_end(), TestClient::End::eof);
        client.close();
    }};
    fixture.run(remove(server, spec, [&] { return total(server) == 1; }));
    peer.join();
    EXPECT_EQ(server.listeners(), (std::vector<std::string>{"127.0.0.1:0"}));
    EXPECT_FALSE(std::filesystem::exists(directory / "x.sock"));
    other.send(get_root);
    EXPECT_EQ(other.receive().status, 200);
    std::filesystem::remove_all(directory);
}

TEST(Drain, WhatIsInFlightOnARemovedListenerIsAnsweredWithClose)
{
    Gate gate;
    TestServer fixture;
    fixture.router.add({.method = "GET", .pattern = "/gate", .handler = gate.handler(), .admit = {}});
    fixture.start();
    TestClient client = fixture.connect();
    client.send(get_gate);
    ASSERT_TRUE(eventually([&] { return gate.entered == 1; }));
    std::thread peer{[&] {
        EXPECT_TRUE(eventually([&] { return !fixture.connect().connected(); })); // the listener is gone
        gate.open = true;
        const auto answer = client.receive();
        EXPECT_EQ(answer.status, 200);
        EXPECT_TRUE(answer.closes());
        EXPECT_EQ(client.receive_end(), TestClient::End::eof);
        client.close();
    }};
    fixture.run(remove(fixture.server(), "127.0.0.1:0", [&] { return total(fixture.server()) == 0; }));
    peer.join();
}

TEST(Drain, CloseEndsARemovalAtItsBeginning)
{
    for (int round = 0; round < 20; ++round) {
        TestServer fixture{2};
        fixture.start();
        EXPECT_EQ(fixture.probe(), 200); // its accept loop runs
        fixture.run(remove(fixture.server(), "127.0.0.1:0", [] { return true; }));
        fixture.run(fixture.server().close());
        EXPECT_FALSE(fixture.connect().connected());
    }
}

TEST(Drain, CloseEndsARemovalThatWaitsForAHandshake)
{
    for (int round = 0; round < 5; ++round) {
        TestServer fixture{2};
        fixture.start();
        fixture.server().add_listener(open_deferring_socket());
        const std::string address = fixture.server().bound_address("deferring");
        TestClient client{port_of(fixture.server(), "deferring")};
        fixture.run(remove(fixture.server(), "deferring", [] { return true; }));
        client.send(get_root);
        fixture.run(fixture.server().close());
        EXPECT_NO_THROW((void)open_listening_socket(address)); // nothing accepts there any more
    }
}

TEST(Drain, CloseEndsARemovalThatWaitsForConnections)
{
    Gate gate;
    TestServer fixture{2};
    fixture.router.add({.method = "GET", .pattern = "/gate", .handler = gate.handler(), .admit = {}});
    fixture.start();
    TestClient busy = fixture.connect();
    busy.send(get_gate);
    TestClient idle = fixture.connect();
    idle.send(get_root);
    EXPECT_EQ(idle.receive().status, 200);
    ASSERT_TRUE(eventually([&] { return gate.entered == 1; }));
    std::atomic<bool> draining{false};
    std::thread peer{[&] {
        EXPECT_EQ(idle.receive_end(), TestClient::End::eof);
        idle.close();
        draining = true;
    }};
    fixture.run(remove(fixture.server(), "127.0.0.1:0", [&] { return draining.load(); }));
    peer.join();
    fixture.run(fixture.server().close());
    EXPECT_EQ(total(fixture.server()), 0U);
}

TEST(Drain, AFreezeTakesAlongWhoHasJustConnectedToARemovedListener)
{
    for (int round = 0; round < 5; ++round) {
        TestServer fixture{2};
        fixture.start();
        fixture.server().add_listener(open_deferring_socket());
        TestClient client{port_of(fixture.server(), "deferring")};
        fixture.run(remove(fixture.server(), "deferring", [] { return true; }));
        client.send(get_root);
        std::optional<HandedServer> handed;
        fixture.run(freeze(fixture.server(), handed));
        ASSERT_TRUE(handed);
        ASSERT_EQ(handed->connections.size(), 1U);
        EXPECT_EQ(handed->connections[0].listener, "deferring");
        EXPECT_EQ(handed->listeners.size(), 1U); // the other one
    }
}

TEST(Drain, AHandshakeThatNobodyCompletesEndsAFreezeThatHasNoTimeForIt)
{
    TestServer fixture{2};
    fixture.start();
    fixture.server().add_listener(open_deferring_socket());
    TestClient client{port_of(fixture.server(), "deferring")};
    fixture.run(remove(fixture.server(), "deferring", [] { return true; }));
    fixture.run(freeze_in_vain(fixture.server()));
    EXPECT_EQ(fixture.probe(), 200);
    client.send(get_root);
    EXPECT_EQ(client.receive().status, 200);
}

TEST(Drain, PassedSocketsThatAreRemovedCanBeAddedAgain)
{
    TestServer fixture;
    fixture.start();
    Server& server = fixture.server();
    std::vector<std::uint16_t> ports;
    for (int i = 0; i < 2; ++i) { // both of one name
        ListeningSocket socket = open_listening_socket("127.0.0.1:0");
        sockaddr_in address{};
        socklen_t size = sizeof address;
        ASSERT_EQ(::getsockname(socket.fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
        ports.push_back(ntohs(address.sin_port));
        socket.name = "fd:test";
        socket.passed = true;
        server.add_listener(std::move(socket));
    }
    std::vector<ListeningSocket> passed = server.remove_listener("fd:test");
    ASSERT_EQ(passed.size(), 2U);
    EXPECT_EQ(server.listeners(), (std::vector<std::string>{"127.0.0.1:0"}));
    fixture.run(server.stop_accepting()); // has waited for them
    std::vector<TestClient> early;
    for (const std::uint16_t port : ports) {
        early.emplace_back(port);
        early.back().send(get_root);
    }
    for (ListeningSocket& socket : passed)
        server.add_listener(std::move(socket));
    for (TestClient& client : early)
        EXPECT_EQ(client.receive().status, 200);
}

TEST(Drain, ARemovalIsNotForgottenByAFreezeThatIsUndone)
{
    Gate gate;
    TestServer fixture{2};
    fixture.router.add({.method = "GET", .pattern = "/gate", .handler = gate.handler(), .admit = {}});
    fixture.start();
    TestClient busy = fixture.connect();
    busy.send(get_gate);
    TestClient partial = fixture.connect();
    partial.send(get_root.substr(0, 10));
    TestClient idle = fixture.connect();
    ASSERT_TRUE(eventually([&] { return gate.entered == 1 && total(fixture.server()) == 3; }));
    std::atomic<bool> due{false};
    std::thread peer{[&] {
        EXPECT_EQ(idle.receive_end(), TestClient::End::eof); // it is draining
        idle.close();
        due = true;
    }};
    fixture.run(remove(fixture.server(), "127.0.0.1:0", [&] { return due.load(); }));
    peer.join();
    fixture.run(freeze_in_vain(fixture.server()));
    partial.send(get_root.substr(10));
    gate.open = true;
    for (TestClient* const client : {&busy, &partial}) {
        const auto answer = client->receive();
        EXPECT_EQ(answer.status, 200);
        EXPECT_TRUE(answer.closes());
        EXPECT_EQ(client->receive_end(), TestClient::End::eof);
    }
}

TEST(Drain, ARemovalAfterAFreezeThatWasUndoneReachesWhatKeptItFromIt)
{
    Gate gate;
    TestServer fixture{2};
    fixture.router.add({.method = "GET", .pattern = "/gate", .handler = gate.handler(), .admit = {}});
    fixture.start();
    TestClient busy = fixture.connect();
    busy.send(get_gate);
    ASSERT_TRUE(eventually([&] { return gate.entered == 1; }));
    fixture.run(freeze_in_vain(fixture.server()));
    std::thread peer{[&] {
        EXPECT_TRUE(eventually([&] { return !fixture.connect().connected(); })); // the listener is gone
        gate.open = true;
        EXPECT_TRUE(busy.receive().closes());
        EXPECT_EQ(busy.receive_end(), TestClient::End::eof);
        busy.close();
    }};
    fixture.run(remove(fixture.server(), "127.0.0.1:0", [&] { return total(fixture.server()) == 0; }));
    peer.join();
}

TEST(Drain, ABusyLoopDoesNotKeepTheOthersFromEndingTheirConnections)
{
    Limits limits;
    limits.drain_hold = 0ms;
    auto best = 1h + 0ms; // of some rounds: a machine may be slow, but not each time
    for (int round = 0; round < 5; ++round) {
        Gate gate;
        TestServer fixture{2, limits};
        fixture.router.add({.method = "GET", .pattern = "/gate", .handler = gate.handler(), .admit = {}});
        fixture.start();
        TestClient busy = fixture.connect();
        busy.send(get_gate);
        ASSERT_TRUE(eventually([&] { return gate.entered == 1; }));
        TestClient idle = fixture.connect(); // on the other loop
        idle.send(get_root);
        EXPECT_EQ(idle.receive().status, 200);
        std::thread peers{[&, start = std::chrono::steady_clock::now()] {
            EXPECT_EQ(idle.receive_end(), TestClient::End::eof);
            best =
                std::min(best, std::chrono::ceil<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start));
            idle.close();
            gate.open = true;
            EXPECT_EQ(busy.receive().status, 200);
            busy.close();
        }};
        fixture.run(stop_and_finish(fixture.server(), 20s));
        peers.join();
    }
    EXPECT_LT(best, 500ms); // at once, not with the next turn in a second
}

TEST(Drain, APassedSocketKeepsItsQueueForTheSuccessor)
{
    ListeningSocket ours = open_listening_socket("127.0.0.1:0");
    const UniqueFd kept{::fcntl(ours.fd.get(), F_DUPFD_CLOEXEC, 0)}; // the manager's
    ours.passed = true;
    ours.name = "fd:test";
    TestServer fixture;
    fixture.start();
    fixture.server().add_listener(std::move(ours));
    const std::string address = fixture.server().bound_address("fd:test");
    const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
    TestClient served{port};
    served.send(get_root);
    EXPECT_EQ(served.receive().status, 200);
    served.close();
    fixture.run(stop_and_finish(fixture.server(), 20s));

    TestClient early{port};
    ASSERT_TRUE(early.connected());
    early.send(get_root);
    TestServer successor;
    successor.start();
    successor.server().add_listener(
        {.name = "fd:test", .fd = UniqueFd{::fcntl(kept.get(), F_DUPFD_CLOEXEC, 0)}, .passed = true, .unix_path = {}});
    EXPECT_EQ(early.receive().status, 200);
}

TEST(Drain, StoppingAfterTheEndDoesNotHang)
{
    TestServer fixture;
    fixture.start();
    EXPECT_EQ(fixture.probe(), 200);
    fixture.run(finish_and_stop(fixture.server()));
}

TEST(Drain, CloseEndsEverythingAtOnceAndMayBeRepeated)
{
    Gate gate;
    TestServer fixture{2};
    fixture.router.add({.method = "GET", .pattern = "/gate", .handler = gate.handler(), .admit = {}});
    fixture.start();
    TestClient busy = fixture.connect();
    busy.send(get_gate);
    TestClient idle = fixture.connect();
    ASSERT_TRUE(eventually([&] { return gate.entered == 1 && total(fixture.server()) == 2; }));
    fixture.run(fixture.server().close());
    EXPECT_EQ(total(fixture.server()), 0U);
    fixture.run(fixture.server().close());
}

} // namespace
} // namespace belay::http
