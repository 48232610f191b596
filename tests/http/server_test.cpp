#include "http/connection.hpp"
#include "http/server.hpp"
#include "test_server.hpp"

#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <ctime>
#include <new>
#include <numeric>

#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__

namespace {

std::atomic<bool> no_memory_for_connections{false};

const pid_t test_thread = ::gettid();
std::atomic<int> sends_of_loops = 0;

} // namespace

// Of the whole program.  The array forms call these.  Inlined into one of a pair alone, GCC takes them for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size)
{
    if (size == sizeof(belay::http::Connection) && no_memory_for_connections.load(std::memory_order_relaxed))
        throw std::bad_alloc{};
    if (void* const memory = std::malloc(size))
        return memory;
    throw std::bad_alloc{};
}
[[gnu::noinline]] void operator delete(void* memory) noexcept
{
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept
{
    std::free(memory);
}

/** In place of the C library's: counts. */
extern "C" ssize_t send(int fd, const void* data, size_t size, int flags)
{
    if (::gettid() != test_thread)
        ++sends_of_loops;
    return ::syscall(SYS_sendto, fd, data, size, flags, nullptr, 0);
}

#endif

namespace belay::http {
namespace {

using namespace std::chrono_literals;

asio::awaitable<Response> echo_now(Request& request)
{
    co_return text_response(200, std::string{request.method} + " " + std::string{request.body});
}

rlim_t lowest_free_descriptor()
{
    const UniqueFd probe{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    return static_cast<rlim_t>(probe.get());
}

std::string post(std::string_view path, std::string_view body)
{
    return "POST " + std::string{path} + " HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + std::string{body};
}

TEST(Server, AnswersOneRequestAfterTheOtherOnAKeptConnection)
{
    TestServer fixture;
    fixture.router.add({.method = "POST", .pattern = "/echo", .handler = echo_now, .admit = {}});
    fixture.start();
    TestClient client = fixture.connect();
    for (const std::string& body : {std::string{"one"}, std::string(40'000, 'x'), std::string{"three"}}) {
        client.send(post("/echo", body));
        const auto answer = client.receive();
        EXPECT_EQ(answer.status, 200);
        EXPECT_EQ(answer.body, "POST " + body);
        EXPECT_FALSE(answer.closes());
        EXPECT_TRUE(answer.has("\r\nDate: "));
    }
}

TEST(Server, CountsTheRequestsThatAreOverToo)
{
    TestServer fixture;
    fixture.start();
    EXPECT_EQ(fixture.server().requests_begun(), 0U);
    TestClient client = fixture.connect();
    for (std::size_t count = 1; count <= 3; ++count) {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_EQ(client.receive().status, 200);
        ASSERT_TRUE(eventually([&] { return fixture.server().requests_in_flight() == 0; }));
        EXPECT_EQ(fixture.server().requests_begun(), count);
    }
}

TEST(Server, ClosesWhenTheClientSaysSo)
{
    TestServer fixture;
    fixture.start();
    TestClient client = fixture.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    const auto answer = client.receive();
    EXPECT_EQ(answer.status, 200);
    EXPECT_TRUE(answer.closes());
    EXPECT_EQ(client.receive_end(), TestClient::End::eof);
}

TEST(Server, AnswersPipelinedRequestsInOrder)
{
    TestServer fixture;
    fixture.router.add({.method = "POST", .pattern = "/echo", .handler = echo_now, .admit = {}});
    fixture.start();
    TestClient client = fixture.connect();
    std::string all;
    for (int i = 0; i < 1000; ++i)
        all += post("/echo", std::to_string(i));
    client.send(all);
    for (int i = 0; i < 1000; ++i)
        ASSERT_EQ(client.receive().body, "POST " + std::to_string(i));
}

#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
TEST(Server, AnswersToWhatOneReadBroughtAreOneWrite)
{
    constexpr int count = 16;
    TestServer fixture;
    fixture.start();
    TestClient client = fixture.connect();
    std::string all;
    for (int i = 0; i < count; ++i)
        all += get_root;
    const int before = sends_of_loops;
    client.send(all);
    for (int i = 0; i < count; ++i)
        ASSERT_EQ(client.receive().body, "alive");
    const int sends = sends_of_loops - before;
    EXPECT_GE(sends, 1) << "nothing is counted";
    EXPECT_LE(sends, 2) << "of two, if the read was cut in two";
}
#endif

TEST(Server, AnAnswerDoesNotWaitForTheNextRequests)
{
    Gate gate;
    TestServer fixture;
    fixture.router.add({.method = "GET", .pattern = "/gate", .handler = gate.handler(), .admit = {}});
    fixture.start();
    TestClient client = fixture.connect();
    client.send(std::string{get_root} + "GET /gate HTTP/1.1\r\nHost: a\r\n\r\n" + std::string{get_root});
    EXPECT_EQ(client.receive().body, "alive");
    ASSERT_TRUE(eventually([&gate] { return gate.entered == 1; }));
    gate.open = true;
    EXPECT_EQ(client.receive().body, "passed");
    EXPECT_EQ(client.receive().body, "alive");
}

TEST(Server, DealsConnectionsToAllLoops)
{
    TestServer fixture{2};
    std::atomic<unsigned> seen{0};
    fixture.router.add({.method = "GET",
        .pattern = "/loop",
        .handler =
            [&seen](Request& request) {
                seen.fetch_or(1U << request.loop);
                return echo_now(request);
            },
        .admit = {}});
    fixture.start();
    for (int i = 0; i < 4; ++i) {
        TestClient client = fixture.connect();
        client.send("GET /loop HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_EQ(client.receive().status, 200);
    }
    EXPECT_EQ(seen.load(), 3U);
}

TEST(Server, SaysContinueOnlyWhenItWillTakeTheBody)
{
    TestServer fixture;
    fixture.router.add({.method = "POST", .pattern = "/echo", .handler = echo_now, .admit = {}});
    fixture.start();
    for (const std::string framing : {"Content-Length: 5", "Transfer-Encoding: chunked"}) {
        TestClient client = fixture.connect();
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n" + framing + "\r\n\r\n");
        EXPECT_EQ(client.receive(/*head_only=*/true).status, 100);
        client.send(framing.starts_with('C') ? "hello" : "5\r\nhello\r\n0\r\n\r\n");
        EXPECT_EQ(client.receive().body, "POST hello");
    }
    TestClient unknown = fixture.connect();
    unknown.send("POST /nowhere HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    EXPECT_EQ(unknown.receive().status, 404);
}

#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__

TEST(Server, KeepsNoMemoryOfABodyThatIsAnswered)
{
    TestServer fixture;
    fixture.router.add({.method = "POST",
        .pattern = "/taken",
        .handler = [](Request&) -> Answer { return text_response(200, "taken"); },
        .admit = [](const Request&) -> Admission { return Bytes{1_MiB}; }});
    fixture.start();
    const std::string request = post("/taken", std::string(1_MiB, 'b'));
    std::vector<TestClient> clients;
    std::vector<std::size_t> in_use;
    for (int i = 0; i < 8; ++i) {
        clients.push_back(fixture.connect());
        clients.back().send(request);
        EXPECT_EQ(clients.back().receive().status, 200);
        const struct mallinfo2 facts = ::mallinfo2();
        in_use.push_back(facts.uordblks + facts.hblkhd);
    }
    EXPECT_LT(in_use.back() - in_use.front(), 2_MiB);
}

#endif

TEST(Server, AnswersHeadWithoutContent)
{
    TestServer fixture;
    fixture.start();
    TestClient client = fixture.connect();
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + std::string{get_root});
    const auto head = client.receive(/*head_only=*/true);
    EXPECT_EQ(head.status, 200);
    EXPECT_TRUE(head.has("\r\nContent-Length: 5\r\n"));
    EXPECT_EQ(client.receive().body, "alive");
}

TEST(Server, SpeaksHttp10)
{
    TestServer fixture;
    fixture.start();
    TestClient kept = fixture.connect();
    for (int i = 0; i < 2; ++i) {
        kept.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        EXPECT_TRUE(kept.receive().has("\r\nConnection: keep-alive\r\n"));
    }
    TestClient plain = fixture.connect();
    plain.send("GET / HTTP/1.0\r\n\r\n");
    EXPECT_TRUE(plain.receive().closes());
    EXPECT_EQ(plain.receive_end(), TestClient::End::eof);
}

TEST(Server, AnswersAClientThatHalfClosed)
{
    TestServer fixture;
    fixture.start();
    TestClient client = fixture.connect();
    client.send(get_root);
    client.shut_down_sending();
    EXPECT_EQ(client.receive().status, 200);
    EXPECT_EQ(client.receive_end(), TestClient::End::eof);
}

TEST(Server, RefusesBodiesBeyondTheBudgetWith503)
{
    BodyBudget budget{1000};
    TestServer fixture{1, {}, &budget};
    fixture.router.add({.method = "POST", .pattern = "/echo", .handler = echo_now, .admit = {}});
    fixture.start();
    TestClient holder = fixture.connect();
    holder.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n");
    ASSERT_TRUE(eventually([&] { return budget.used() == 900; }));
    TestClient refused = fixture.connect();
    refused.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n");
    const auto answer = refused.receive();
    EXPECT_EQ(answer.status, 503);
    EXPECT_TRUE(answer.has("\r\nRetry-After: "));
    holder.send(std::string(900, 'x'));
    EXPECT_EQ(holder.receive().status, 200);
    EXPECT_TRUE(eventually([&] { return budget.used() == 0; }));
}

TEST(Server, SizesThatAreOnlyClaimedTakeNextToNothingOfTheBudget)
{
    static constexpr Bytes limit = 1_MiB;
    BodyBudget budget{limit};
    TestServer fixture{1, {}, &budget};
    fixture.router.add({.method = "POST", .pattern = "/echo", .handler = echo_now, .admit = [](const Request&) {
                            return Admission{limit};
                        }});
    fixture.start();
    std::vector<TestClient> claimants;
    for (int i = 0; i < 20; ++i) {
        claimants.push_back(fixture.connect());
        claimants.back().send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n");
    }
    ASSERT_TRUE(eventually([&] { return budget.used() >= 20; })); // each has begun
    TestClient honest = fixture.connect();
    honest.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n");
    honest.send(std::string(500'000, 'x'));
    EXPECT_EQ(honest.receive().status, 200);
}

TEST(Server, ReleasesTheBudgetOfAnUploadThatBreaksOff)
{
    BodyBudget budget{1'000'000};
    TestServer fixture{1, {}, &budget};
    fixture.router.add({.method = "POST", .pattern = "/echo", .handler = echo_now, .admit = {}});
    fixture.start();
    for (const std::string framing : {"Content-Length: 900\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n384\r\n"}) {
        TestClient client = fixture.connect();
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\n" + framing + "abc");
        ASSERT_TRUE(eventually([&] { return budget.used() > 0; }));
        client.reset();
        EXPECT_TRUE(eventually([&] { return budget.used() == 0; }));
    }
}

TEST(Server, TellsConnectionsOverTheCapAndRecovers)
{
    Limits limits;
    limits.connections = 2;
    TestServer fixture{1, limits};
    fixture.start();
    auto first = std::make_unique<TestClient>(fixture.connect());
    TestClient second = fixture.connect();
    ASSERT_TRUE(eventually([&] { return total(fixture.server()) == 2; }));
    TestClient third = fixture.connect();
    third.send(get_root);
    const auto answer = third.receive();
    EXPECT_EQ(answer.status, 503);
    EXPECT_TRUE(answer.closes());
    EXPECT_EQ(third.receive_end(), TestClient::End::eof);
    third.close();
    first.reset();
    EXPECT_TRUE(eventually([&] { return fixture.probe() == 200; }));
    second.send(get_root);
    EXPECT_EQ(second.receive().status, 200);
}

TEST(Server, CountsConnectionsByState)
{
    TestServer fixture;
    fixture.start();
    const auto count = [&](ConnectionState state) {
        return fixture.server().connections()[static_cast<std::size_t>(state)];
    };
    TestClient client = fixture.connect();
    EXPECT_TRUE(eventually([&] { return count(ConnectionState::fresh) == 1; }));
    client.send("GET / HTT");
    EXPECT_TRUE(eventually([&] { return count(ConnectionState::partial) == 1; }));
    EXPECT_EQ(fixture.server().requests_in_flight(), 1U);
    client.send("P/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(client.receive().status, 200);
    EXPECT_TRUE(eventually([&] { return count(ConnectionState::idle) == 1; }));
    EXPECT_EQ(fixture.server().requests_in_flight(), 0U);
    client.close();
    EXPECT_TRUE(eventually([&] { return total(fixture.server()) == 0; }));
}

TEST(Server, F23_AStormOfResetsLeavesNoConnection)
{
    TestServer fixture{2};
    fixture.start();
    for (int i = 0; i < 1000; ++i) {
        TestClient client = fixture.connect();
        (void)client.try_send(i % 2 == 0 ? get_root : get_root.substr(0, 9));
        client.reset();
    }
    EXPECT_TRUE(eventually([&] { return total(fixture.server()) == 0; }));
    EXPECT_EQ(fixture.probe(), 200);
}

#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
TEST(Server, AConnectionThatThereIsNoMemoryForIsClosedAndAcceptingGoesOn)
{
    Limits limits;
    limits.connections = 1;
    TestServer fixture{2, limits};
    fixture.start();
    EXPECT_EQ(fixture.probe(), 200); // its accept loop runs
    EXPECT_TRUE(eventually([&] { return total(fixture.server()) == 0; }));
    no_memory_for_connections = true;
    for (int loop = 0; loop < 2; ++loop)
        EXPECT_EQ(fixture.connect().receive_end(), TestClient::End::eof);
    EXPECT_TRUE(eventually([&] { return fixture.warnings().size() == 2; }));
    no_memory_for_connections = false;
    EXPECT_EQ(fixture.probe(), 200); // also as to the cap
}

TEST(Server, AConnectionThatCannotReadAheadAsMuchAsItIsSentIsClosed)
{
    Limits insatiable;
    insatiable.header_bytes = Bytes{1} << 61U; // a buffer that cannot be had
    TestServer fixture{1, insatiable};
    fixture.start();
    EXPECT_EQ(fixture.probe(), 200);
    TestClient client = fixture.connect();
    client.send(std::string(get_root.substr(0, get_root.size() - 2)) + "X: " + std::string(4000, 'x'));
    EXPECT_NE(client.receive_end(), TestClient::End::timeout);
    EXPECT_TRUE(eventually([&] { return fixture.warnings().size() == 1; }));
    EXPECT_EQ(fixture.probe(), 200);
}
#endif

TEST(Server, F7_PausesWhenThereAreNoDescriptorsAndRecovers)
{
    TestServer fixture;
    fixture.start();
    EXPECT_EQ(fixture.probe(), 200);
    // The client's socket must exist before descriptors are gone; it connects into the backlog.
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    TestClient blocked = [&] {
        const rlimit none{.rlim_cur = lowest_free_descriptor() + 1, .rlim_max = before.rlim_max};
        EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
        return fixture.connect();
    }();
    blocked.send(get_root);
    EXPECT_TRUE(eventually([&] { return !fixture.warnings().empty(); }));
    const auto cpu_before = std::clock();
    std::this_thread::sleep_for(500ms); // what is under test is that nothing happens
    const double cpu_seconds = static_cast<double>(std::clock() - cpu_before) / CLOCKS_PER_SEC;
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_EQ(blocked.receive().status, 200);
    EXPECT_EQ(fixture.warnings().size(), 1U);
    EXPECT_LT(cpu_seconds, 0.02) << "it must not spin";
}

} // namespace
} // namespace belay::http
