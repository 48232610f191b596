#include "base/uuid.hpp"
#include "http/middleware.hpp"
#include "tests/http/run_handler.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace belay::http {
namespace {

asio::awaitable<Response> say_ok(Request&)
{
    co_return text_response(200, "ok");
}

asio::awaitable<Response> fail_late(Request&)
{
    throw std::runtime_error{"secret <detail>"};
    co_return Response{};
}

asio::awaitable<Response> fail_at_once(Request&)
{
    throw 42;
}

std::string id_of(std::string_view given)
{
    const Field fields[] = {{"x-request-id", given}};
    Request request;
    request.fields = fields;
    run_handler(request_id()(say_ok), request);
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
    const Handler handler = trace_context()(say_ok);

    const Field one[] = {{"traceparent", parent}};
    Request request;
    request.fields = one;
    run_handler(handler, request);
    EXPECT_EQ(trace_id_text(request.trace), "0af7651916cd43dd8448eb211c80319c");
    EXPECT_NE(to_traceparent(request.trace), parent); // a span of our own

    const Field two[] = {{"traceparent", parent}, {"traceparent", parent}};
    request.fields = two;
    run_handler(handler, request);
    EXPECT_NE(trace_id_text(request.trace), "0af7651916cd43dd8448eb211c80319c");
    EXPECT_TRUE(parse_traceparent(to_traceparent(request.trace)));
}

TEST(ExceptionsTo500, TellsTheReportAndNotTheClient)
{
    std::string reported;
    const auto report = [&reported](const Request& request, std::string_view what) {
        reported = request.id + " " + std::string{what};
    };
    for (const Handler& failing : {Handler{fail_late}, Handler{fail_at_once}}) {
        const Handler handler = compose({request_id(), exceptions_to_500(report)}, failing);
        const Field fields[] = {{"X-Request-Id", "r1"}};
        Request request;
        request.fields = fields;
        reported.clear();
        const Response response = run_handler(handler, request);
        EXPECT_EQ(response.status, 500);
        EXPECT_EQ(response.body.find("secret"), std::string::npos);
        EXPECT_TRUE(response.body.ends_with(R"(,"request_id":"r1"})")) << response.body;
        EXPECT_TRUE(reported.starts_with("r1 ")) << reported;
    }
}

TEST(Observers, SeeRequestAndResponseOnce)
{
    std::string seen;
    const auto observe = [&seen](const Exchange& exchange) {
        seen += 'a';
        EXPECT_EQ(exchange.request.path, "/x");
        EXPECT_EQ(exchange.response.status, 500);
        EXPECT_GE(exchange.duration.count(), 0);
    };
    Request request;
    request.path = "/x";
    const auto ignore = [](const Request&, std::string_view) {};
    run_handler(compose({observed_by({observe, [&seen](const Exchange&) { seen += 'b'; }}), exceptions_to_500(ignore)},
                    fail_late),
        request);
    EXPECT_EQ(seen, "ab");
}

TEST(Compose, PutsTheFirstOutermost)
{
    std::string order;
    const auto mark = [&order](char c) -> Middleware {
        return [&order, c](Handler next) -> Handler {
            return [&order, c, next = std::move(next)](Request& request) {
                order += c;
                return next(request);
            };
        };
    };
    Request request;
    run_handler(compose({mark('a'), mark('b'), mark('c')}, say_ok), request);
    EXPECT_EQ(order, "abc");
}

} // namespace
} // namespace belay::http
