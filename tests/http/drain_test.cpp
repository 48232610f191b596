// How a server goes: nothing that was sent to it in time is lost, and nobody gets a reset.
#include "drain_fixture.hpp"

#include <algorithm>

namespace belay::http {
namespace {

using namespace std::chrono_literals;

asio::awaitable<void> finish_and_stop(Server& server)
{
    co_await server.finish(in(0s));
    co_await server.stop_accepting();
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
    BusyServer fixture{2};
    TestClient idle = connect_idle(fixture);
    TestClient silent = fixture.connect();
    TestClient uploading = fixture.connect();
    uploading.send("GET / HTTP/1.1\r\nHo");
    ASSERT_TRUE(eventually([&] { return fixture.server().requests_in_flight() == 2; }));

    std::thread peers{[&] {
        expect_end(idle);
        expect_end(silent);
        uploading.send("st: a\r\n\r\n");
        expect_last_answer(uploading);
        fixture.gate.open = true;
        expect_last_answer(fixture.busy);
    }};
    fixture.run(stop_and_finish(fixture.server(), 20s));
    EXPECT_EQ(total(fixture.server()), 0U);
    peers.join();
}

TEST(Drain, APeerThatNeverClosesDelaysItByTheLingerOnly)
{
    TestServer fixture;
    fixture.start();
    TestClient deaf = connect_idle(fixture);
    const auto start = std::chrono::steady_clock::now();
    fixture.run(stop_and_finish(fixture.server(), 60s));
    EXPECT_LT(std::chrono::steady_clock::now() - start, 10s);
    EXPECT_EQ(deaf.receive_end(), TestClient::End::eof);
}

TEST(Drain, TheDeadlineEndsWhatDoesNotEnd)
{
    BusyServer fixture;
    fixture.run(stop_and_finish(fixture.server(), 200ms));
    EXPECT_EQ(total(fixture.server()), 0U);
}

TEST(Drain, WhatIsBeingHandledOutlastsTheDeadlineOfThoseThatWaitForTheirPeer)
{
    BusyServer fixture;
    TestClient uploading = fixture.connect();
    uploading.send("GET / HTTP/1.1\r\nHo");
    ASSERT_TRUE(eventually([&] { return fixture.server().requests_in_flight() == 2; }));
    std::thread peer{[&] {
        EXPECT_TRUE(eventually([&] { return total(fixture.server()) == 1; })) << "the deadline";
        fixture.gate.open = true;
        expect_last_answer(fixture.busy);
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
            expect_end(client);
        }
    }};
    fixture.run(stop_and_finish(fixture.server(), 20s));
    peers.join();
    TestClient late = fixture.connect();
    EXPECT_FALSE(late.try_send(get_root));
}

TEST(Drain, WithoutDescriptorsItDoesNotWaitForABacklogThatIsEmpty)
{
    if (const char* const reason = NoDescriptors::impossible())
        GTEST_SKIP() << reason;
    TestServer fixture;
    fixture.start();
    TestClient idle = connect_idle(fixture);
    const NoDescriptors shortage;
    const auto start = std::chrono::steady_clock::now();
    fixture.run(fixture.server().stop_accepting());
    EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
    idle.send(get_root);
    EXPECT_FALSE(idle.receive().closes()) << "nobody needs its descriptor";
}

TEST(Drain, WithoutDescriptorsIdleConnectionsMakeRoomForTheBacklog)
{
    if (const char* const reason = NoDescriptors::impossible())
        GTEST_SKIP() << reason;
    TestServer fixture{2};
    fixture.start();
    std::vector<TestClient> idle;
    for (int i = 0; i < 4; ++i)
        idle.push_back(connect_idle(fixture));
    ListeningSocket socket = open_listening_socket("127.0.0.1:0");
    socket.name = "late";
    const std::uint16_t port = port_of(socket);
    std::vector<TestClient> waiting;
    for (int i = 0; i < 3; ++i) {
        waiting.emplace_back(port);
        waiting.back().send(get_root);
    }
    const NoDescriptors shortage;
    fixture.server().add_listener(std::move(socket));
    std::thread peers{[&] {
        for (TestClient& client : idle)
            expect_end(client);
        for (TestClient& client : waiting) {
            EXPECT_EQ(client.receive().status, 200);
            expect_end(client);
        }
    }};
    fixture.run(stop_and_finish(fixture.server(), 20s));
    peers.join();
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

TEST(Drain, ABusyLoopDoesNotKeepTheOthersFromEndingTheirConnections)
{
    Limits limits;
    limits.drain_hold = 0ms;
    auto best = 1h + 0ms; // of some rounds: a machine may be slow, but not each time
    for (int round = 0; round < 5; ++round) {
        BusyServer fixture{2, limits};
        TestClient idle = connect_idle(fixture); // on the other loop
        std::thread peers{[&, start = std::chrono::steady_clock::now()] {
            EXPECT_EQ(idle.receive_end(), TestClient::End::eof);
            best =
                std::min(best, std::chrono::ceil<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start));
            idle.close();
            fixture.gate.open = true;
            EXPECT_EQ(fixture.busy.receive().status, 200);
            fixture.busy.close();
        }};
        fixture.run(stop_and_finish(fixture.server(), 20s));
        peers.join();
    }
    EXPECT_LT(best, 500ms); // at once, not with the next turn in a second
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
    BusyServer fixture{2};
    TestClient idle = fixture.connect();
    ASSERT_TRUE(eventually([&] { return total(fixture.server()) == 2; }));
    fixture.run(fixture.server().close());
    EXPECT_EQ(total(fixture.server()), 0U);
    fixture.run(fixture.server().close());
}

} // namespace
} // namespace belay::http
