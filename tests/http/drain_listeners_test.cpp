// How a listener goes: what connected to a removed one is served, and a passed one keeps its queue.
#include "drain_fixture.hpp"

#include <boost/asio/post.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <optional>

namespace belay::http {
namespace {

using namespace std::chrono_literals;

/** Removes a listener, and goes on with that until it is `far_enough`. */
asio::awaitable<void> remove(Server& server, std::string listener, std::function<bool()> far_enough)
{
    EXPECT_TRUE(server.remove_listener(listener).empty()); // it is our own
    const auto executor = co_await asio::this_coro::executor;
    while (!far_enough())
        co_await asio::post(executor, asio::use_awaitable);
}

std::uint16_t port_of(const std::string& address)
{
    return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
}

/** A listener that is removed while the handshake of a client is under way: until the client has sent something. */
struct PendingHandshake {
    explicit PendingHandshake(TestServer& fixture) : address{listen(fixture.server())}, client{port_of(address)}
    {
        fixture.run(remove(fixture.server(), "deferring", [] { return true; }));
    }

    static std::string listen(Server& server)
    {
        ListeningSocket socket = open_listening_socket("127.0.0.1:0");
        const int seconds = 30;
        EXPECT_EQ(::setsockopt(socket.fd.get(), IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds), 0);
        socket.name = "deferring";
        server.add_listener(std::move(socket));
        return server.bound_address("deferring");
    }

    std::string address;
    TestClient client;
};

asio::awaitable<void> freeze(Server& server, std::optional<HandedServer>& handed)
{
    handed = co_await server.freeze(in(10s));
}

asio::awaitable<void> freeze_in_vain(Server& server)
{
    const std::optional<HandedServer> handed = co_await server.freeze(in(20ms));
    EXPECT_FALSE(handed);
}

TEST(DrainListeners, RemovingAListenerDrainsItsConnectionsOnly)
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
    std::thread peer{[&] { expect_end(client); }};
    fixture.run(remove(server, spec, [&] { return total(server) == 1; }));
    peer.join();
    EXPECT_EQ(server.listeners(), (std::vector<std::string>{"127.0.0.1:0"}));
    EXPECT_FALSE(std::filesystem::exists(directory / "x.sock"));
    other.send(get_root);
    EXPECT_EQ(other.receive().status, 200);
    std::filesystem::remove_all(directory);
}

TEST(DrainListeners, ARemovedUnixListenerLeavesThePathToTheNextOne)
{
    if (const char* const reason = NoDescriptors::impossible())
        GTEST_SKIP() << reason;
    TestServer fixture;
    fixture.start();
    Server& server = fixture.server();
    const auto directory = std::filesystem::temp_directory_path() / ("belay-" + std::to_string(::getpid()));
    std::filesystem::create_directory(directory);
    const auto path = directory / "x.sock";
    ListeningSocket socket = open_listening_socket("unix:" + path.string());
    TestClient client{socket.name};
    client.send(get_root);
    {
        const NoDescriptors shortage; // so that it waits at its doors, for the sake of the client
        server.add_listener(std::move(socket));
        fixture.run(remove(server, "unix:" + path.string(), [&] { return !std::filesystem::exists(path); }));
        std::filesystem::create_symlink("the next one", path); // needs no descriptor
    }
    fixture.run(server.stop_accepting()); // has waited for it
    EXPECT_EQ(client.receive().status, 200);
    EXPECT_TRUE(std::filesystem::is_symlink(path));
    std::filesystem::remove_all(directory);
}

TEST(DrainListeners, WhatIsInFlightOnARemovedListenerIsAnsweredWithClose)
{
    BusyServer fixture;
    std::thread peer{[&] {
        EXPECT_TRUE(eventually([&] { return !fixture.connect().connected(); })); // the listener is gone
        fixture.gate.open = true;
        expect_last_answer(fixture.busy);
    }};
    fixture.run(remove(fixture.server(), "127.0.0.1:0", [&] { return total(fixture.server()) == 0; }));
    peer.join();
}

TEST(DrainListeners, CloseEndsARemovalAtItsBeginning)
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

TEST(DrainListeners, CloseEndsARemovalThatWaitsForAHandshake)
{
    for (int round = 0; round < 5; ++round) {
        TestServer fixture{2};
        fixture.start();
        PendingHandshake handshake{fixture};
        handshake.client.send(get_root);
        fixture.run(fixture.server().close());
        EXPECT_NO_THROW((void)open_listening_socket(handshake.address)); // nothing accepts there any more
    }
}

TEST(DrainListeners, CloseEndsARemovalThatWaitsForConnections)
{
    BusyServer fixture{2};
    TestClient idle = connect_idle(fixture);
    std::atomic<bool> draining{false};
    std::thread peer{[&] {
        expect_end(idle);
        draining = true;
    }};
    fixture.run(remove(fixture.server(), "127.0.0.1:0", [&] { return draining.load(); }));
    peer.join();
    fixture.run(fixture.server().close());
    EXPECT_EQ(total(fixture.server()), 0U);
}

TEST(DrainListeners, AFreezeTakesAlongWhoHasJustConnectedToARemovedListener)
{
    for (int round = 0; round < 5; ++round) {
        TestServer fixture{2};
        fixture.start();
        PendingHandshake handshake{fixture};
        handshake.client.send(get_root);
        std::optional<HandedServer> handed;
        fixture.run(freeze(fixture.server(), handed));
        ASSERT_TRUE(handed);
        ASSERT_EQ(handed->connections.size(), 1U);
        EXPECT_EQ(handed->connections[0].listener, "deferring");
        EXPECT_EQ(handed->listeners.size(), 1U); // the other one
    }
}

TEST(DrainListeners, AHandshakeThatNobodyCompletesEndsAFreezeThatHasNoTimeForIt)
{
    TestServer fixture{2};
    fixture.start();
    PendingHandshake handshake{fixture};
    fixture.run(freeze_in_vain(fixture.server()));
    EXPECT_EQ(fixture.probe(), 200);
    handshake.client.send(get_root);
    EXPECT_EQ(handshake.client.receive().status, 200);
}

TEST(DrainListeners, ARemovalIsNotForgottenByAFreezeThatIsUndone)
{
    BusyServer fixture{2};
    TestClient partial = fixture.connect();
    partial.send(get_root.substr(0, 10));
    TestClient idle = fixture.connect();
    ASSERT_TRUE(eventually([&] { return total(fixture.server()) == 3; }));
    std::atomic<bool> due{false};
    std::thread peer{[&] {
        expect_end(idle); // it is draining
        due = true;
    }};
    fixture.run(remove(fixture.server(), "127.0.0.1:0", [&] { return due.load(); }));
    peer.join();
    fixture.run(freeze_in_vain(fixture.server()));
    partial.send(get_root.substr(10));
    fixture.gate.open = true;
    expect_last_answer(fixture.busy);
    expect_last_answer(partial);
}

TEST(DrainListeners, ARemovalAfterAFreezeThatWasUndoneReachesWhatKeptItFromIt)
{
    BusyServer fixture{2};
    fixture.run(freeze_in_vain(fixture.server()));
    std::thread peer{[&] {
        EXPECT_TRUE(eventually([&] { return !fixture.connect().connected(); })); // the listener is gone
        fixture.gate.open = true;
        expect_last_answer(fixture.busy);
    }};
    fixture.run(remove(fixture.server(), "127.0.0.1:0", [&] { return total(fixture.server()) == 0; }));
    peer.join();
}

TEST(DrainListeners, PassedSocketsThatAreRemovedCanBeAddedAgain)
{
    TestServer fixture;
    fixture.start();
    Server& server = fixture.server();
    std::vector<std::uint16_t> ports;
    for (int i = 0; i < 2; ++i) { // both of one name
        ListeningSocket socket = open_listening_socket("127.0.0.1:0");
        ports.push_back(port_of(socket));
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

TEST(DrainListeners, APassedSocketThatIsRemovedWhenThereAreNoDescriptorsIsGivenBack)
{
    if (const char* const reason = NoDescriptors::impossible())
        GTEST_SKIP() << reason;
    TestServer fixture;
    fixture.start();
    Server& server = fixture.server();
    ListeningSocket socket = open_listening_socket("127.0.0.1:0");
    const std::uint16_t port = port_of(socket);
    socket.name = "fd:test";
    socket.passed = true;
    server.add_listener(std::move(socket));
    std::vector<ListeningSocket> passed;
    {
        const NoDescriptors shortage;
        passed = server.remove_listener("fd:test");
    }
    ASSERT_EQ(passed.size(), 1U);
    server.add_listener(std::move(passed.front()));
    TestClient client{port};
    client.send(get_root);
    EXPECT_EQ(client.receive().status, 200);
}

TEST(DrainListeners, APassedSocketKeepsItsQueueForTheSuccessor)
{
    ListeningSocket ours = open_listening_socket("127.0.0.1:0");
    const UniqueFd kept{::fcntl(ours.fd.get(), F_DUPFD_CLOEXEC, 0)}; // the manager's
    ours.passed = true;
    ours.name = "fd:test";
    TestServer fixture;
    fixture.start();
    fixture.server().add_listener(std::move(ours));
    const std::uint16_t port = port_of(fixture.server().bound_address("fd:test"));
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

} // namespace
} // namespace belay::http
