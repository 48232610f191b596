// A server takes over from another: nobody who talks to the first notices.
#include "test_server.hpp"

#include <optional>

namespace belay::http {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 10s;

asio::awaitable<Response> echo(Request& request)
{
    co_return text_response(200, std::string{request.body});
}

/** Answers more than socket buffers hold. */
asio::awaitable<Response> big(Request&)
{
    co_return text_response(200, std::string(32 << 20, 'x'));
}

std::atomic<int> left{0};

asio::awaitable<Response> leave_to_successor(Request& request)
{
    if (request.left_by_predecessor)
        co_return text_response(200, "done: " + std::string{request.body});
    ++left;
    Response response;
    response.left_to_successor = true;
    co_return response;
}

asio::awaitable<void> freeze(
    Server& server, std::optional<HandedServer>& handed, std::chrono::steady_clock::duration how_long)
{
    handed = co_await server.freeze(std::chrono::steady_clock::now() + how_long);
}

/** Two servers: the second takes over what the first holds. */
struct Handover : ::testing::Test {
    Handover()
    {
        for (TestServer* const server : {&first, &second}) {
            server->router.add(
                {.method = "POST", .pattern = "/echo", .handler = echo, .admit = [](const Request&) -> Admission {
                     return Bytes{1_MiB};
                 }});
            server->router.add({.method = "GET", .pattern = "/big", .handler = big, .admit = {}});
            server->router.add({.method = "POST", .pattern = "/left", .handler = leave_to_successor, .admit = {}});
            server->router.add({.method = "GET", .pattern = "/gate", .handler = gate.handler(), .admit = {}});
            server->router.add({.method = "POST",
                .pattern = "/gate",
                .handler = gate.handler(),
                .admit = [](const Request&) -> Admission { return Bytes{1_MiB}; }});
            server->router.add({.method = "GET", .pattern = "/late", .handler = leave_late(), .admit = {}});
            server->middleware.observers.emplace_back(
                [this](const Exchange& exchange) { observed_left += exchange.request.path == "/left" ? 1 : 0; });
        }
        first.start();
        second.start();
    }

    /** Leaves to the successor, but only once the gate is open. */
    Handler leave_late()
    {
        return [this](Request& request) { return leave_after_gate(request); };
    }

    asio::awaitable<Response> leave_after_gate(Request& request)
    {
        co_await gate.pass(request);
        co_return co_await leave_to_successor(request);
    }

    std::optional<HandedServer> freeze_first(std::chrono::steady_clock::duration how_long = patience)
    {
        std::optional<HandedServer> handed;
        first.run(freeze(first.server(), handed, how_long));
        return handed;
    }

    void hand_over()
    {
        std::optional<HandedServer> handed = freeze_first();
        ASSERT_TRUE(handed);
        second.server().resume(std::move(*handed));
        for (int loop = 0; loop < 2; ++loop)
            EXPECT_EQ(second.probe(), 200); // what came before it has been taken up by then
    }

    Gate gate;
    std::atomic<int> observed_left{0}; // answers to /left
    TestServer first{2};
    TestServer second{2};
};

TEST_F(Handover, IdleConnectionsAndTheListenerGoOn)
{
    TestClient idle = first.connect();
    idle.send(get_root);
    ASSERT_EQ(idle.receive().status, 200);
    TestClient silent = first.connect();
    ASSERT_TRUE(eventually([&] { return total(first.server()) == 2; }));
    hand_over();
    EXPECT_EQ(total(first.server()), 0U);
    EXPECT_TRUE(first.server().listeners().empty());
    idle.send(get_root);
    EXPECT_EQ(idle.receive().status, 200);
    silent.send(get_root);
    EXPECT_EQ(silent.receive().status, 200);
    EXPECT_EQ(first.probe(), 200); // by the port of the first, whose listener the second has now
}

TEST_F(Handover, WhoConnectsMeanwhileWaitsInTheBacklog)
{
    std::optional<HandedServer> handed = freeze_first();
    ASSERT_TRUE(handed);
    TestClient early = first.connect();
    early.send(get_root);
    second.server().resume(std::move(*handed));
    EXPECT_EQ(early.receive().status, 200);
}

TEST_F(Handover, ARequestCutAnywhereIsAnsweredOnce)
{
    const std::string sized = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world";
    const std::string chunked = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                                "5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nT: v\r\n\r\n";
    for (const std::string& wire : {sized, chunked}) {
        std::vector<TestClient> clients; // one for each place to cut, all cut by one freeze
        for (std::size_t cut = 0; cut < wire.size(); ++cut) {
            clients.push_back(first.connect());
            clients.back().send(wire.substr(0, cut));
        }
        ASSERT_TRUE(eventually([&] { return total(first.server()) == wire.size(); }));
        hand_over();
        for (std::size_t cut = 0; cut < wire.size(); ++cut) {
            clients[cut].send(wire.substr(cut) + std::string{get_root});
            const TestClient::Answer answer = clients[cut].receive();
            EXPECT_EQ(answer.status, 200) << cut;
            EXPECT_EQ(answer.body, "hello world") << cut;
            EXPECT_EQ(clients[cut].receive().body, "alive") << cut;
        }
        clients.clear();
        std::optional<HandedServer> back; // for the next round
        second.run(freeze(second.server(), back, patience));
        ASSERT_TRUE(back);
        first.server().resume(std::move(*back));
    }
}

TEST_F(Handover, ALargeUploadGoesOnWhereItWas)
{
    const std::string body(600'000, 'b');
    TestClient client = first.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 600000\r\n\r\n" + body.substr(0, 400'000));
    hand_over();
    client.send(body.substr(400'000));
    EXPECT_TRUE(client.receive().body == body); // not EQ: it would print both
}

TEST_F(Handover, WhatIsBeingHandledIsAnsweredByTheFirst)
{
    TestClient busy = first.connect();
    busy.send("GET /gate HTTP/1.1\r\nHost: a\r\n\r\n" + std::string{get_root}); // one more is pipelined
    ASSERT_TRUE(eventually([&] { return gate.entered == 1; }));
    std::thread opens{[&] { gate.open = true; }};
    hand_over();
    opens.join();
    EXPECT_EQ(busy.receive().body, "passed");
    EXPECT_EQ(busy.receive().body, "alive");
    EXPECT_EQ(gate.entered, 1);
}

TEST_F(Handover, PastTheDeadlineEverythingGoesOnAsBefore)
{
    TestClient idle = first.connect();
    idle.send(get_root);
    ASSERT_EQ(idle.receive().status, 200);
    TestClient busy = first.connect();
    busy.send("GET /gate HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_TRUE(eventually([&] { return gate.entered == 1; }));
    EXPECT_FALSE(freeze_first(20ms));
    EXPECT_EQ(first.probe(), 200);
    idle.send(get_root);
    EXPECT_EQ(idle.receive().status, 200);
    gate.open = true;
    EXPECT_EQ(busy.receive().body, "passed");
    busy.send(get_root);
    EXPECT_EQ(busy.receive().status, 200);
    hand_over(); // and the next attempt succeeds
    busy.send(get_root);
    EXPECT_EQ(busy.receive().status, 200);
}

TEST_F(Handover, AnAnswerThatIsReadSlowlyIsFinishedByTheSecond)
{
    TestClient slow = first.connect(4096);
    slow.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_TRUE(eventually(
        [&] { return first.server().connections()[static_cast<std::size_t>(ConnectionState::responding)] == 1; }));
    hand_over();
    const TestClient::Answer answer = slow.receive();
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body.size(), 32U << 20);
    EXPECT_EQ(answer.body.find_first_not_of('x'), std::string::npos);
    slow.send(get_root);
    EXPECT_EQ(slow.receive().status, 200);
}

TEST_F(Handover, ARejectionIsStillDeliveredWhileThePeerSends)
{
    TestClient client = first.connect();
    client.send("POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    ASSERT_TRUE(eventually([&] { return total(first.server()) == 1; }));
    hand_over();
    client.send(std::string(1'000'000, 'z'));
    EXPECT_EQ(client.receive().status, 404);
    EXPECT_EQ(client.receive_end(), TestClient::End::eof);
}

/** A peer that has had its end of file does not wait for an answer: what it still sends, nobody is to do. */
TEST_F(Handover, OnWhatWasHalfClosedNothingIsServedAnyMore)
{
    Limits limits;
    limits.idle_timeout = 50ms;
    first.server().set_limits(limits);
    EXPECT_EQ(first.probe(), 200); // they hold for what connects from now on
    gate.open = true;
    TestClient late = first.connect();
    late.send(get_root);
    EXPECT_EQ(late.receive().status, 200);
    EXPECT_EQ(late.receive_end(), TestClient::End::eof);
    hand_over();
    late.send("GET /gate HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(late.receive_end(), TestClient::End::eof);
    late.close();
    EXPECT_TRUE(eventually([&] { return total(second.server()) == 0; }));
    EXPECT_EQ(gate.entered, 0);
}

TEST_F(Handover, ALingerGoesOnForWhatIsLeftOfIt)
{
    Limits limits;
    limits.idle_timeout = 50ms;
    first.server().set_limits(limits);
    EXPECT_EQ(first.probe(), 200); // they hold for what connects from now on
    limits.linger_timeout = limits.idle_timeout = 1h;
    second.server().set_limits(limits);
    EXPECT_EQ(second.probe(), 200);
    TestClient deaf = first.connect();
    deaf.send(get_root);
    EXPECT_EQ(deaf.receive().status, 200);
    EXPECT_EQ(deaf.receive_end(), TestClient::End::eof);
    hand_over();
    EXPECT_TRUE(eventually([&] { return total(second.server()) == 0; }));
}

TEST_F(Handover, WhatBelongsToNoListenerThatIsPresentDrains)
{
    TestClient idle = first.connect();
    idle.send(get_root);
    EXPECT_EQ(idle.receive().status, 200);
    ASSERT_TRUE(eventually([&] { return first.server().requests_in_flight() == 0; })); // it counts until it is sent
    TestClient uploading = first.connect();
    uploading.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf ");
    ASSERT_TRUE(eventually([&] { return first.server().requests_in_flight() == 1; }));
    std::optional<HandedServer> handed = freeze_first();
    ASSERT_TRUE(handed);
    for (HandedConnection& connection : handed->connections)
        connection.listener = "removed";
    second.server().resume(std::move(*handed));
    EXPECT_EQ(idle.receive_end(), TestClient::End::eof); // long before its idle timeout
    uploading.send("half");
    const TestClient::Answer answer = uploading.receive();
    EXPECT_EQ(answer.body, "half half");
    EXPECT_TRUE(answer.closes());
    EXPECT_EQ(uploading.receive_end(), TestClient::End::eof);
    EXPECT_EQ(first.probe(), 200); // and the listener goes on
}

TEST_F(Handover, ARequestLeftToTheSuccessorIsAnsweredThere)
{
    left = 0;
    TestClient sized = first.connect();
    sized.send("POST /left HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nsized" + std::string{get_root});
    TestClient chunked = first.connect();
    chunked.send(
        "POST /left HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nchu\r\n4\r\nnked\r\n0\r\n\r\n");
    ASSERT_TRUE(eventually([] { return left == 2; }));
    hand_over();
    EXPECT_EQ(sized.receive().body, "done: sized");
    EXPECT_EQ(sized.receive().body, "alive");
    EXPECT_EQ(chunked.receive().body, "done: chunked");
    EXPECT_EQ(observed_left, 2) << "who leaves a request has not answered it";
    sized.send("POST /left HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    EXPECT_TRUE(eventually([] { return left == 3; })); // the second server was asked this for the first time
}

TEST_F(Handover, ARequestLeftToASuccessorThatDoesNotComeIsAskedAgain)
{
    left = 0;
    TestClient late = first.connect();
    late.send("GET /late HTTP/1.1\r\nHost: a\r\n\r\n" + std::string{get_root});
    ASSERT_TRUE(eventually([&] { return gate.entered == 1; }));
    EXPECT_FALSE(freeze_first(20ms));
    gate.open = true;
    EXPECT_EQ(late.receive().body, "done: ");
    EXPECT_EQ(late.receive().body, "alive");
    EXPECT_EQ(left, 1);
    late.send("GET /late HTTP/1.1\r\nHost: a\r\n\r\n"); // after a freeze that was given up comes the next
    ASSERT_TRUE(eventually([] { return left == 2; }));
    hand_over();
    EXPECT_EQ(late.receive().body, "done: ");
}

TEST_F(Handover, ARequestLeftAfterTheFreezeIsAskedAgainOnceNoneIsLeftAnyMore)
{
    left = 0;
    TestClient busy = first.connect();
    busy.send("GET /gate HTTP/1.1\r\nHost: a\r\n\r\nPOST /left HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nmore");
    ASSERT_TRUE(eventually([&] { return gate.entered == 1; }));
    EXPECT_FALSE(freeze_first(20ms));
    gate.open = true;
    ASSERT_TRUE(eventually([] { return left == 1; }));
    first.run(first.server().resume_left());
    EXPECT_EQ(busy.receive().body, "passed");
    EXPECT_EQ(busy.receive().body, "done: more");
}

TEST_F(Handover, WhatWasHandedOverUnreadIsAnsweredBeforeADrainCloses)
{
    TestClient client = first.connect();
    client.send(get_root);
    EXPECT_EQ(client.receive().status, 200);
    ASSERT_TRUE(eventually([&] { return first.server().requests_in_flight() == 0; }));
    std::optional<HandedServer> handed = freeze_first();
    ASSERT_TRUE(handed);
    ASSERT_EQ(handed->connections.size(), 1U);
    const std::string body = " HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n" + std::string(2000, 'b');
    handed->connections[0].input = "POST /gate" + body + "POST /echo" + body + "POST /echo" + body;
    handed->connections[0].listener = "removed"; // so it drains
    second.server().resume(std::move(*handed));
    ASSERT_TRUE(eventually([&] { return gate.entered == 1; }));
    for (int loop = 0; loop < 2; ++loop)
        EXPECT_EQ(second.probe(), 200); // it knows by then that it drains
    gate.open = true;
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(client.receive().status, 200) << i;
}

} // namespace
} // namespace belay::http
