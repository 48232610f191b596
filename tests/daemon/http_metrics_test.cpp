#include "daemon/http_metrics.hpp"
#include "http/router.hpp"
#include "tests/http/run_handler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <thread>

namespace belay::daemon {
namespace {

using ::testing::HasSubstr;

http::Response accepted(http::Request&)
{
    return http::text_response(202, "ok");
}

/** Router and metrics, as a server has them. */
class HttpMetrics : public ::testing::Test {
protected:
    HttpMetrics() { router_.add({.method = "POST", .pattern = "/hooks/{name}", .handler = accepted, .admit = {}}); }

    int send(std::string_view method, std::string_view path, unsigned loop = 0)
    {
        http::Request request;
        request.method = method;
        request.path = path;
        request.loop = loop;
        if (const auto admission = router_.admit(request); const auto* no = std::get_if<http::Rejection>(&admission))
            request.rejection = *no;
        const http::Response response = http::run_handler(router_.dispatcher(), request);
        observe_({.request = request, .response = response, .duration = {}});
        return response.status;
    }

    Metrics metrics_;

private:
    http::Router router_;
    http::Observer observe_ = http_metrics(metrics_, "ingress");
};

TEST_F(HttpMetrics, CountRoutesAndCodes)
{
    EXPECT_EQ(send("POST", "/hooks/a"), 202);
    EXPECT_EQ(send("POST", "/hooks/b", /*loop=*/1), 202);
    EXPECT_EQ(send("GET", "/nowhere"), 404);
    const std::string text = metrics_.text();
    EXPECT_THAT(text, HasSubstr(R"(belay_http_requests_total{server="ingress",route="/hooks/{name}",code="202"} 2)"));
    EXPECT_THAT(text, HasSubstr(R"(belay_http_requests_total{server="ingress",route="",code="404"} 1)"));
    EXPECT_THAT(
        text, HasSubstr(R"(belay_http_request_duration_seconds_count{server="ingress",route="/hooks/{name}"} 2)"));
    EXPECT_THAT(
        text, HasSubstr(R"(belay_http_request_duration_seconds_bucket{server="ingress",route="",le="+Inf"} 1)"));
}

TEST_F(HttpMetrics, NothingARequestSaysMakesASeries)
{
    send("POST", "/hooks/a");
    send("GET", "/");
    send("GET", "/hooks/a");
    const auto series = [this] {
        const std::string text = metrics_.text();
        return std::ranges::count(text, '\n');
    };
    const auto before = series();
    std::mt19937 random{1}; // NOLINT(cert-msc51-cpp): reproducible on purpose
    for (int i = 0; i < 10'000; ++i)
        send("M" + std::to_string(random()), (i % 2 == 0 ? "/hooks/" : "/") + std::to_string(random()));
    EXPECT_EQ(series(), before);
}

TEST_F(HttpMetrics, CountExactlyFromManyLoops)
{
    constexpr unsigned each = 5000;
    {
        std::vector<std::jthread> loops;
        for (unsigned loop = 0; loop < 4; ++loop)
            loops.emplace_back([this, loop] {
                for (unsigned i = 0; i < each; ++i)
                    send(i % 2 == 0 ? "POST" : "GET", "/hooks/a", loop);
            });
        for (int i = 0; i < 100; ++i)
            (void)metrics_.text(); // scraped meanwhile
    }
    const std::string text = metrics_.text();
    EXPECT_THAT(text, HasSubstr(R"(code="202"} 10000)"));
    EXPECT_THAT(text, HasSubstr(R"(code="405"} 10000)"));
}

TEST(HttpDurations, FallIntoCumulativeBuckets)
{
    Metrics metrics;
    const http::Observer observe = http_metrics(metrics, "admin");
    observe({.request = {}, .response = {}, .duration = std::chrono::milliseconds{3}});
    const std::string text = metrics.text();
    EXPECT_THAT(text, HasSubstr(R"(le="0.0025"} 0)"));
    EXPECT_THAT(text, HasSubstr(R"(le="10"} 1)"));
    EXPECT_THAT(text, HasSubstr(R"(le="+Inf"} 1)"));
    const std::string_view sum = R"(belay_http_request_duration_seconds_sum{server="admin",route=""} )";
    ASSERT_NE(text.find(sum), text.npos) << text;
    EXPECT_GE(std::stod(text.substr(text.find(sum) + sum.size())), 0.003);
}

} // namespace
} // namespace belay::daemon
