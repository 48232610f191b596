// How each kind of connection ends in a drain: new, partial, in flight, responding and idle ones.
#include "test_server.hpp"

#include <algorithm>

namespace belay::http {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

asio::awaitable<Response> echo(Request& request)
{
    co_return text_response(200, std::string{request.body});
}

Limits held_for(Milliseconds hold)
{
    Limits limits;
    limits.drain_hold = hold;
    limits.header_timeout = limits.body_timeout = limits.idle_timeout = 1h; // it is the drain that ends a wait
    return limits;
}

/** Longer than any test takes: what ends was not held. */
const Limits held = held_for(Milliseconds{1h});

/** A server on one loop, and a drain of it that has begun when begin_drain() returns. */
class DrainConnections : public testing::Test {
protected:
    using States = std::array<std::size_t, connection_states>;

    void start()
    {
        fixture.router.add({.method = "GET", .pattern = "/gate", .handler = gate.handler(), .admit = {}});
        fixture.router.add({.method = "POST", .pattern = "/echo", .handler = echo, .admit = {}});
        fixture.start();
        EXPECT_EQ(fixture.probe(), 200); // limits that are set from now on hold for what connects from now on
        EXPECT_TRUE(eventually([&] { return total(fixture.server()) == 0; }));
    }

    /** Whether there is, sooner or later, one connection, and in that state. */
    [[nodiscard]] bool only_one_is(ConnectionState state)
    {
        States expected{};
        expected[static_cast<std::size_t>(state)] = 1;
        return eventually([&] { return fixture.server().connections() == expected; });
    }

    void begin_drain(Clock::duration patience = 1h)
    {
        // Shows that it has begun: this connection comes while there is no hold, and so ends when the drain begins.
        const std::size_t others = total(fixture.server());
        fixture.server().set_limits(held_for(0ms));
        TestClient canary = fixture.connect();
        ASSERT_TRUE(eventually([&] { return total(fixture.server()) == others + 1; }));
        drain_ = std::jthread{[this, end = Clock::now() + patience] { fixture.run(fixture.server().finish(end)); }};
        ASSERT_EQ(canary.receive_end(), TestClient::End::eof);
    }

    void wait_for_end_of_drain()
    {
        ASSERT_TRUE(drain_.joinable());
        drain_.join();
        EXPECT_EQ(total(fixture.server()), 0U);
    }

    /** Its request is answered, and with that its connection is over. */
    void expect_last_answer(TestClient& client, std::string_view body)
    {
        const auto answer = client.receive();
        EXPECT_EQ(answer.status, 200);
        EXPECT_EQ(answer.body, body);
        EXPECT_TRUE(answer.closes());
        EXPECT_EQ(client.receive_end(), TestClient::End::eof);
        client.close();
        wait_for_end_of_drain();
    }

    TestServer fixture{1, held};
    Gate gate;

private:
    std::jthread drain_; // first to end
};

TEST_F(DrainConnections, ANewOneMaySendItsRequestDuringTheHold)
{
    start();
    TestClient client = fixture.connect();
    ASSERT_TRUE(only_one_is(ConnectionState::fresh));
    begin_drain();
    EXPECT_TRUE(only_one_is(ConnectionState::fresh));
    client.send(get_root);
    expect_last_answer(client, "alive");
}

TEST_F(DrainConnections, AnIdleOneMaySendItsRequestDuringTheHold)
{
    start();
    TestClient client = fixture.connect();
    client.send(get_root);
    EXPECT_FALSE(client.receive().closes());
    ASSERT_TRUE(only_one_is(ConnectionState::idle));
    begin_drain();
    EXPECT_TRUE(only_one_is(ConnectionState::idle));
    client.send(get_root);
    expect_last_answer(client, "alive");
}

TEST_F(DrainConnections, APartialHeadMayBeCompleted)
{
    start();
    TestClient client = fixture.connect();
    client.send(get_root.substr(0, 10));
    ASSERT_TRUE(only_one_is(ConnectionState::partial));
    begin_drain();
    EXPECT_TRUE(only_one_is(ConnectionState::partial));
    client.send(get_root.substr(10));
    expect_last_answer(client, "alive");
}

TEST_F(DrainConnections, APartialBodyMayBeCompleted)
{
    start();
    TestClient client = fixture.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf ");
    ASSERT_TRUE(only_one_is(ConnectionState::partial));
    begin_drain();
    EXPECT_TRUE(only_one_is(ConnectionState::partial));
    client.send("half");
    expect_last_answer(client, "half half");
}

TEST_F(DrainConnections, OneInFlightIsAnsweredHoweverLongItTakes)
{
    start();
    TestClient client = fixture.connect();
    client.send("GET /gate HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_TRUE(only_one_is(ConnectionState::in_flight));
    begin_drain();
    EXPECT_TRUE(only_one_is(ConnectionState::in_flight));
    gate.open = true;
    expect_last_answer(client, "passed");
}

TEST_F(DrainConnections, OneThatIsRespondingIsHeldFromTheEndOfTheAnswer)
{
    fixture.router.add(
        {.method = "GET", .pattern = "/large", .handler = answer_with(200, std::string(16_MiB, 'x')), .admit = {}});
    start();
    constexpr Milliseconds hold{1000}; // no round trip makes that longer
    fixture.server().set_limits(held_for(hold));
    TestClient client = fixture.connect(/*receive_buffer=*/4096);
    const auto asked = Clock::now();
    client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_TRUE(only_one_is(ConnectionState::responding));
    begin_drain();
    EXPECT_TRUE(only_one_is(ConnectionState::responding));
    std::this_thread::sleep_until(asked + hold); // what is under test is time that passes
    const auto read_on = Clock::now();
    EXPECT_EQ(client.receive().body.size(), 16_MiB);
    EXPECT_EQ(client.receive_end(), TestClient::End::eof);
    EXPECT_GE(Clock::now() - read_on, hold);
    client.close();
    wait_for_end_of_drain();
}

TEST_F(DrainConnections, ANewAndAnIdleOneAreHalfClosedWhenTheirHoldIsOver)
{
    start();
    constexpr Milliseconds hold{300};
    fixture.server().set_limits(held_for(hold));
    const auto before = Clock::now();
    TestClient fresh = fixture.connect();
    ASSERT_TRUE(only_one_is(ConnectionState::fresh));
    TestClient idle = fixture.connect();
    idle.send(get_root);
    EXPECT_EQ(idle.receive().status, 200);
    begin_drain();
    for (TestClient* const client : {&fresh, &idle}) {
        EXPECT_EQ(client->receive_end(), TestClient::End::eof);
        EXPECT_GE(Clock::now() - before, hold);
    }
    fresh.close();
    idle.close();
    wait_for_end_of_drain();
}

TEST_F(DrainConnections, TheHoldCountsFromTheLastAnswer)
{
    constexpr Milliseconds hold{500};
    auto best = Clock::duration{1h}; // of some rounds: a machine may be slow, but not each time
    for (int round = 0; round < 5 && best >= hold; ++round) {
        TestServer server{1, held_for(hold)};
        server.start();
        TestClient client = server.connect();
        client.send(get_root);
        EXPECT_EQ(client.receive().status, 200);
        std::this_thread::sleep_for(hold); // what is under test is time that passes
        const auto begin = Clock::now();
        const std::jthread peer{[&] {
            EXPECT_EQ(client.receive_end(), TestClient::End::eof);
            client.close();
        }};
        server.run(server.server().finish(begin + 1h));
        best = std::min(best, Clock::now() - begin);
    }
    EXPECT_LT(best, hold);
}

/** Two in one drain: begun before it, and during it. */
class PartialRequests : public DrainConnections, public testing::WithParamInterface<std::string_view> {};

TEST_P(PartialRequests, AreToldSoBeforeTheDeadline)
{
    start();
    TestClient early = fixture.connect();
    early.send(GetParam());
    ASSERT_TRUE(only_one_is(ConnectionState::partial));
    TestClient late = fixture.connect();
    ASSERT_TRUE(eventually([&] { return total(fixture.server()) == 2; }));
    begin_drain(held.linger_timeout + 500ms); // lingering takes the last of it
    (void)late.try_send(GetParam());
    for (TestClient* const client : {&early, &late}) {
        const auto answer = client->receive();
        EXPECT_EQ(answer.status, 408);
        EXPECT_TRUE(answer.closes());
        EXPECT_EQ(client->receive_end(), TestClient::End::eof);
        client->close();
    }
    wait_for_end_of_drain();
}

INSTANTIATE_TEST_SUITE_P(DrainConnections, PartialRequests,
    testing::Values("GET / HT", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf"));

TEST_F(DrainConnections, ARequestThatCrossesTheHalfCloseIsNotReset)
{
    start();
    TestClient client = fixture.connect();
    client.send(get_root);
    EXPECT_EQ(client.receive().status, 200);
    begin_drain(held.linger_timeout + 100ms); // no more hold than that
    EXPECT_EQ(client.receive_end(), TestClient::End::eof);
    EXPECT_TRUE(only_one_is(ConnectionState::idle)); // counted until it is gone
    for (int i = 0; i < 3; ++i)
        EXPECT_TRUE(client.try_send(get_root)); // after a reset it would fail
    client.close();
    wait_for_end_of_drain();
}

TEST_F(DrainConnections, ARequestThatIsThereWhenTheWaitForItEndsIsAnswered)
{
    Limits limits;
    limits.idle_timeout = 200ms; // ends as the hold does, and without a drain in the way
    TestServer server{1, limits};
    std::atomic<bool> sent{false};
    std::atomic<int> entered{0};
    const auto wait_until = [](const std::atomic<bool>& flag) {
        while (!flag)
            std::this_thread::yield();
    };
    std::atomic<bool> next_is_queued{false};
    server.router.add({.method = "GET",
        .pattern = "/first",
        .handler =
            [&](Request& request) { // holds up the loop beyond the idle timeout
                ++entered;
                wait_until(next_is_queued);
                return answer_with(200, "")(request);
            },
        .admit = {}});
    server.router.add({.method = "GET",
        .pattern = "/second",
        .handler =
            [&](Request& request) { // holds it up when the sweep is due next
                ++entered;
                wait_until(sent);
                return answer_with(200, "")(request);
            },
        .admit = {}});
    server.start();
    TestClient client = server.connect();
    TestClient first = server.connect();
    TestClient second = server.connect();
    ASSERT_TRUE(eventually([&] { return total(server.server()) == 3; }));
    client.send(get_root);
    EXPECT_EQ(client.receive().status, 200);
    first.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_TRUE(eventually([&] { return entered == 1; }));
    second.send("GET /second HTTP/1.1\r\nHost: a\r\n\r\n");
    std::this_thread::sleep_for(2 * limits.idle_timeout); // what is under test is time that passes
    next_is_queued = true;
    ASSERT_TRUE(eventually([&] { return entered == 2; }));
    client.send(get_root);
    sent = true;
    EXPECT_EQ(client.receive().status, 200);
}

} // namespace
} // namespace belay::http
