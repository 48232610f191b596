// How long a server waits for its peers: a slow one gets its time, one that stands still is told so or dropped.
#include "test_server.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace belay::http {
namespace {

using namespace std::chrono_literals;

asio::awaitable<Response> size_of(Request& request)
{
    co_return text_response(200, std::to_string(request.body.size()));
}

/** Only that one can pass, however slow the machine is. */
Limits with(Milliseconds Limits::* timeout, Milliseconds value)
{
    Limits limits;
    limits.header_timeout = limits.body_timeout = limits.write_timeout = limits.idle_timeout = 1h;
    limits.*timeout = value;
    return limits;
}

TEST(ServerTimeouts, B61_RejectsASlowHeadWith408)
{
    TestServer fixture{1, with(&Limits::header_timeout, 1s)};
    fixture.start();
    TestClient client = fixture.connect();
    const auto start = std::chrono::steady_clock::now();
    std::atomic<bool> answered = false;
    std::thread dribble{[&] { // a byte each 20 ms must not keep the head alive
        while (!answered && client.try_send("a"))
            std::this_thread::sleep_for(20ms);
    }};
    const auto answer = client.receive();
    EXPECT_EQ(answer.status, 408);
    EXPECT_TRUE(answer.closes());
    EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
    answered = true;
    dribble.join();
}

TEST(ServerTimeouts, B61_RejectsASlowBodyWith408)
{
    TestServer fixture{1, with(&Limits::body_timeout, 200ms)};
    fixture.router.add({.method = "POST", .pattern = "/size", .handler = size_of, .admit = {}});
    fixture.start();
    for (const std::string framing : {"Content-Length: 100\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n64\r\n"}) {
        TestClient client = fixture.connect();
        client.send("POST /size HTTP/1.1\r\nHost: a\r\n" + framing + "abc");
        EXPECT_EQ(client.receive().status, 408);
        EXPECT_EQ(client.receive_end(), TestClient::End::eof);
    }
    EXPECT_EQ(fixture.probe(), 200);
}

TEST(ServerTimeouts, ABodyThatArrivesFastEnoughMayTakeLongerThanTheTimeout)
{
    Limits limits = with(&Limits::body_timeout, 200ms);
    limits.body_rate = 10; // bytes per second: 100 bytes earn 10 s
    TestServer fixture{1, limits};
    fixture.router.add({.method = "POST", .pattern = "/size", .handler = size_of, .admit = {}});
    fixture.start();
    TestClient client = fixture.connect();
    client.send("POST /size HTTP/1.1\r\nHost: a\r\nContent-Length: 105\r\n\r\n" + std::string(100, 'x'));
    for (int i = 0; i < 5; ++i) {
        std::this_thread::sleep_for(100ms); // what is under test is time that passes
        client.send("x");
    }
    EXPECT_EQ(client.receive().status, 200);
}

TEST(ServerTimeouts, ClosesAnIdleConnectionWithoutReset)
{
    TestServer fixture{1, with(&Limits::idle_timeout, 200ms)};
    fixture.start();
    TestClient client = fixture.connect();
    client.send(get_root);
    EXPECT_EQ(client.receive().status, 200);
    EXPECT_EQ(client.receive_end(), TestClient::End::eof);
    client.close();
    EXPECT_TRUE(eventually([&] { return total(fixture.server()) == 0; }));
}

TEST(ServerTimeouts, ClosesAConnectionThatNeverSendsWithoutReset)
{
    TestServer fixture{1, with(&Limits::header_timeout, 200ms)};
    fixture.start();
    TestClient client = fixture.connect();
    EXPECT_EQ(client.receive_end(), TestClient::End::eof);
    client.close();
    EXPECT_TRUE(eventually([&] { return total(fixture.server()) == 0; }));
}

/** How often the other threads went to sleep. */
std::size_t sleeps_of_others()
{
    std::size_t sum = 0;
    for (const auto& task : std::filesystem::directory_iterator{"/proc/self/task"}) {
        if (task.path().filename() == std::to_string(::gettid()))
            continue;
        std::ifstream status{task.path() / "status"};
        constexpr std::string_view name = "voluntary_ctxt_switches:";
        for (std::string line; std::getline(status, line);)
            if (line.starts_with(name))
                sum += std::stoul(line.substr(name.size()));
    }
    return sum;
}

TEST(ServerTimeouts, LooksAtConnectionsNoMoreOftenThanTheirLimitsNeed)
{
    const auto sleeps_in_300_ms = [] {
        const std::size_t before = sleeps_of_others();
        std::this_thread::sleep_for(300ms);
        return sleeps_of_others() - before;
    };
    TestServer fixture;
    fixture.start();
    TestClient client = fixture.connect();
    client.send(get_root);
    EXPECT_EQ(client.receive().status, 200); // limits hold for what connects from then on
    fixture.server().set_limits(with(&Limits::write_timeout, 20ms));
    EXPECT_TRUE(eventually([&] { return sleeps_in_300_ms() > 20; })) << "each 5 ms";
    fixture.server().set_limits({});
    EXPECT_TRUE(eventually([&] { return sleeps_in_300_ms() < 10; }));
}

TEST(ServerTimeouts, DropsAReaderThatStalls)
{
    TestServer fixture{1, with(&Limits::write_timeout, 200ms)};
    std::atomic<bool> asked{false};
    fixture.router.add({.method = "GET",
        .pattern = "/large",
        .handler =
            [&asked](Request& request) {
                asked = true;
                return answer_with(200, std::string(16_MiB, 'x'))(request);
            },
        .admit = {}});
    fixture.start();
    TestClient client = fixture.connect(/*receive_buffer=*/4096);
    client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_TRUE(eventually([&] { return asked.load(); }));
    EXPECT_TRUE(eventually([&] { return total(fixture.server()) == 0; }));
    EXPECT_EQ(fixture.probe(), 200);
}

TEST(ServerTimeouts, ASlowReaderThatReadsGetsEverything)
{
    constexpr std::size_t size = 16_MiB;
    constexpr Milliseconds timeout{500};
    bool complete = false;
    for (int round = 0; round < 10 && !complete; ++round) { // a machine may stall for that long, but not each time
        TestServer fixture{1, with(&Limits::write_timeout, timeout)};
        fixture.router.add(
            {.method = "GET", .pattern = "/large", .handler = answer_with(200, std::string(size, 'x')), .admit = {}});
        fixture.start();
        TestClient client = fixture.connect(/*receive_buffer=*/65536);
        client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
        client.read_ahead_slowly(size, 3 * timeout);
        complete = client.receive().body.size() == size;
    }
    EXPECT_TRUE(complete);
}

} // namespace
} // namespace belay::http
