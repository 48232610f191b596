#include "http/server.hpp"
#include "test_server.hpp"

#include <boost/asio/steady_timer.hpp>

#include <latch>

namespace belay::http {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view get_root = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

asio::awaitable<Response> echo_now(Request& request)
{
    co_return text_response(200, std::string{request.method} + " " + std::string{request.body});
}

asio::awaitable<Response> throw_now(Request&)
{
    throw std::runtime_error{"broken handler"};
    co_return Response{};
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

TEST(Server, AnswersAThrowingHandlerWith500AndClose)
{
    TestServer fixture;
    fixture.router.add({.method = "GET", .pattern = "/throw", .handler = throw_now, .admit = {}});
    fixture.start();
    TestClient client = fixture.connect();
    client.send("GET /throw HTTP/1.1\r\nHost: a\r\n\r\n");
    const auto answer = client.receive();
    EXPECT_EQ(answer.status, 500);
    EXPECT_TRUE(answer.closes());
    EXPECT_EQ(client.receive_end(), TestClient::End::eof);
    EXPECT_EQ(fixture.probe(), 200);
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

} // namespace
} // namespace belay::http
