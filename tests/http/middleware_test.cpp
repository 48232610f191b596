#include "base/uuid.hpp"
#include "http/middleware.hpp"
#include "test_server.hpp"

#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include <stdexcept>

namespace belay::http {
namespace {

std::string id_of(std::string_view given)
{
    const Field fields[] = {{"x-request-id", given}};
    Request request;
    request.fields = fields;
    assign_id(request);
    return request.id;
}

TEST(RequestId, TakesTheClientsIfItIsSane)
{
    EXPECT_EQ(id_of("Ab-1._z"), "Ab-1._z");
    EXPECT_EQ(id_of(std::string(128, 'a')), std::string(128, 'a'));
    for (const std::string& bad : {std::string{}, std::string{"a b"}, std::string{"a\"b"}, std::string(129, 'a')})
        EXPECT_TRUE(parse_uuid(id_of(bad))) << bad;
}

TEST(TraceContext, ContinuesTheClientsTraceOrStartsOne)
{
    const std::string parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    const Field one[] = {{"traceparent", parent}};
    Request request;
    request.fields = one;
    assign_trace(request);
    EXPECT_EQ(trace_id_text(request.trace), "0af7651916cd43dd8448eb211c80319c");
    EXPECT_NE(to_traceparent(request.trace), parent); // a span of our own

    const Field two[] = {{"traceparent", parent}, {"traceparent", parent}};
    request.fields = two;
    assign_trace(request);
    EXPECT_NE(trace_id_text(request.trace), "0af7651916cd43dd8448eb211c80319c");
    EXPECT_TRUE(parse_traceparent(to_traceparent(request.trace)));
}

Response fail_at_once(Request&)
{
    throw std::runtime_error{"secret <detail>"};
}

asio::awaitable<Response> fail_when_awaited(Request& request)
{
    fail_at_once(request);
    co_return Response{};
}

asio::awaitable<Response> fail_late(Request&)
{
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    throw 42;
}

/** A server whose middleware writes down what it is called with, and in which order. */
class MiddlewareOfAServer : public ::testing::Test {
protected:
    MiddlewareOfAServer()
    {
        server.middleware = {.steps = {assign_id, [this](Request& request) { seen += "a:" + request.id; },
                                 [this](Request& request) {
                                     seen += " b";
                                     if (request.path == "/step")
                                         throw std::logic_error{"secret"};
                                 }},
            .observers = {[this](const Exchange& exchange) {
                              seen += " " + std::to_string(exchange.response.status);
                              durations.push_back(exchange.duration);
                          },
                [this](const Exchange&) { seen += " d"; }},
            .on_exception = [this](const Request& request, std::string_view what) {
                seen += " " + request.id + "=" + std::string{what};
            }};
        add("/at-once", fail_at_once);
        add("/awaited", fail_when_awaited);
        add("/late", fail_late);
        add("/step", answer_with(200, ""));
        add("/gate", gate.handler());
        server.start();
    }

    void add(const char* pattern, Handler handler)
    {
        server.router.add({.method = "GET", .pattern = pattern, .handler = std::move(handler), .admit = {}});
    }

    static std::string get(std::string_view path)
    {
        return "GET " + std::string{path} + " HTTP/1.1\r\nHost: a\r\nX-Request-Id: r1\r\n\r\n";
    }

    Gate gate;
    std::string seen; // on the loop; complete when the answer has come
    std::vector<std::chrono::steady_clock::duration> durations;
    TestServer server;
};

TEST_F(MiddlewareOfAServer, StepsObserversAndReportSeeARequestOnce)
{
    constexpr std::string_view unknown = "an exception that is not a std::exception";
    const std::pair<const char*, std::string> cases[] = {
        {"/", "a:r1 b 200 d"},
        {"/nowhere", "a:r1 b 404 d"},
        {"/at-once", "a:r1 b r1=secret <detail> 500 d"},
        {"/awaited", "a:r1 b r1=secret <detail> 500 d"},
        {"/late", "a:r1 b r1=" + std::string{unknown} + " 500 d"},
        {"/step", "a:r1 b r1=secret 500 d"},
    };
    for (const auto& [path, expected] : cases) {
        TestClient client = server.connect();
        seen.clear();
        client.send(get(path));
        EXPECT_NE(client.receive().status, 0) << path;
        EXPECT_EQ(seen, expected) << path;
    }
}

TEST_F(MiddlewareOfAServer, AFailureIsA500ThatNamesTheRequestOnly)
{
    TestClient client = server.connect();
    for (const char* const path : {"/at-once", "/awaited", "/late", "/step"}) {
        client.send(get(path));
        const auto answer = client.receive();
        EXPECT_EQ(answer.status, 500) << path;
        EXPECT_EQ(answer.body.find("secret"), std::string::npos) << answer.body;
        EXPECT_TRUE(answer.body.ends_with(R"(,"request_id":"r1"})")) << answer.body;
        EXPECT_TRUE(answer.has("\r\nX-Request-Id: r1\r\n")) << answer.head;
    }
    EXPECT_EQ(server.probe(), 200);
}

TEST_F(MiddlewareOfAServer, ADurationIsThatOfItsRequestAlone)
{
    TestClient client = server.connect();
    client.send(get("/gate") + get("/"));
    ASSERT_TRUE(eventually([this] { return gate.entered == 1; }));
    const auto entered = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(std::chrono::milliseconds{500}); // what is under test is time that passes
    const auto waited = std::chrono::steady_clock::now() - entered;
    gate.open = true;
    EXPECT_EQ(client.receive().status, 200);
    EXPECT_EQ(client.receive().status, 200);
    ASSERT_EQ(durations.size(), 2U);
    EXPECT_GE(durations[0], waited);
    EXPECT_LT(durations[1], waited) << "it was there all the time, but not begun";
}

} // namespace
} // namespace belay::http
