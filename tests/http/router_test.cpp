#include "http/router.hpp"
#include "tests/http/run_handler.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace belay::http {
namespace {

/** A handler that answers with `text` and the parameter "id". */
asio::awaitable<Response> say(std::string text, Request& request)
{
    co_return text_response(200, text + ":" + std::string{request.path_parameter("id")});
}

Route route(std::string method, std::string pattern, std::string text = "x")
{
    Handler handler = [text = std::move(text)](Request& request) { return say(text, request); };
    return {.method = std::move(method), .pattern = std::move(pattern), .handler = std::move(handler), .admit = {}};
}

/** What came of a request: as the connection does it. */
Response serve(const Router& router, std::string_view method, std::string_view path, std::string* matched = nullptr)
{
    Request request;
    request.method = method;
    request.path = path;
    const Admission admission = router.admit(request);
    if (const auto* rejection = std::get_if<Rejection>(&admission))
        request.rejection = *rejection;
    if (matched != nullptr)
        *matched = request.route;
    return run_handler(router.dispatcher(), request);
}

std::string allow(const Response& response)
{
    return response.fields.size() == 1 && response.fields[0].first == "Allow" ? response.fields[0].second : "";
}

Router job_router()
{
    Router router;
    router.add(route("GET", "/jobs/{id}", "one"));
    router.add(route("GET", "/jobs", "all"));
    router.add(route("GET", "/jobs/stats", "stats"));
    router.add(route("POST", "/jobs/{id}/retry", "retry"));
    router.add(route("POST", "/jobs", "new"));
    return router;
}

TEST(Router, MatchesWholeSegments)
{
    const Router router = job_router();
    std::string matched;
    EXPECT_EQ(serve(router, "GET", "/jobs/42", &matched).body, "one:42");
    EXPECT_EQ(matched, "/jobs/{id}");
    EXPECT_EQ(serve(router, "POST", "/jobs/42/retry").body, "retry:42");
    EXPECT_EQ(serve(router, "POST", "/jobs").body, "new:");
    for (const char* path : {"/", "/job", "/jobs/", "/jobs//retry", "/jobs/42/", "/jobs/42/retry/x", "/JOBS", ""})
        EXPECT_EQ(serve(router, "GET", path, &matched).status, 404) << path;
    EXPECT_EQ(matched, "");
}

TEST(Router, PrefersLiteralTextToAParameter)
{
    EXPECT_EQ(serve(job_router(), "GET", "/jobs/stats").body, "stats:");
    EXPECT_EQ(serve(job_router(), "GET", "/jobs/statsx").body, "one:statsx");
}

TEST(Router, DecodesParametersAndRefusesWhatDoesNotDecode)
{
    const Router router = job_router();
    EXPECT_EQ(serve(router, "GET", "/jobs/a%20b%C3%a9").body, "one:a b\xc3\xa9");
    for (const char* path : {"/jobs/%", "/jobs/%4", "/jobs/%zz", "/jobs/%00", "/jobs/%2F", "/jobs/%2f.."})
        EXPECT_EQ(serve(router, "GET", path).status, 400) << path;
}

TEST(Router, GetAnswersHead)
{
    EXPECT_EQ(serve(job_router(), "HEAD", "/jobs").body, "all:");
}

TEST(Router, NamesTheMethodsThatAPathTakes)
{
    const Response refused = serve(job_router(), "DELETE", "/jobs");
    EXPECT_EQ(refused.status, 405);
    EXPECT_EQ(allow(refused), "GET, HEAD, POST, OPTIONS");
    EXPECT_EQ(allow(serve(job_router(), "GET", "/jobs/1/retry")), "POST, OPTIONS");

    const Response options = serve(job_router(), "OPTIONS", "/jobs/1");
    EXPECT_EQ(options.status, 204);
    EXPECT_EQ(options.body, "");
    EXPECT_EQ(allow(options), "GET, HEAD, OPTIONS");
    EXPECT_FALSE(options.close);
    EXPECT_EQ(serve(job_router(), "OPTIONS", "/none").status, 404);
}

TEST(Router, DoesNotNameMethodsForSomeRequestsOnly)
{
    Router router = job_router();
    Route put = route("PUT", "/jobs/{id}", "put");
    put.is_listed = false;
    router.add(std::move(put));
    EXPECT_EQ(serve(router, "PUT", "/jobs/1").body, "put:1");
    EXPECT_EQ(allow(serve(router, "DELETE", "/jobs/1")), "GET, HEAD, OPTIONS");
    EXPECT_EQ(allow(serve(router, "OPTIONS", "/jobs/1")), "GET, HEAD, OPTIONS");
}

TEST(Router, AsksTheRouteBeforeTheBody)
{
    Router router;
    Route hook = route("POST", "/hooks/{id}");
    hook.admit = [](const Request& head) -> Admission {
        if (head.path_parameter("id") == "gone")
            return Rejection{.status = 404, .detail = "No such hook.", .fields = {}};
        return Bytes{7};
    };
    router.add(std::move(hook));
    router.add(route("POST", "/plain"));

    const auto admit = [&router](std::string_view path) {
        Request request;
        request.method = "POST";
        request.path = path;
        return router.admit(request);
    };
    EXPECT_EQ(std::get<Bytes>(admit("/hooks/a")), 7U);
    EXPECT_EQ(std::get<Rejection>(admit("/hooks/gone")).status, 404);
    EXPECT_EQ(std::get<Bytes>(admit("/plain")), 64_KiB);
}

TEST(Router, RefusesBadRoutes)
{
    for (const char* pattern : {"", "jobs", "/{id", "/x{id}", "/{}", "/{a b}", "/a%20", "/a?b"})
        EXPECT_THROW(Router{}.add(route("GET", pattern)), std::logic_error) << pattern;
    EXPECT_THROW(job_router().add(route("GET", "/jobs")), std::logic_error);
    EXPECT_THROW(job_router().add(route("POST", "/jobs/{name}")), std::logic_error); // two names for one segment
    EXPECT_THROW(Router{}.add({.method = "GET", .pattern = "/", .handler = {}, .admit = {}}), std::logic_error);
}

} // namespace
} // namespace belay::http
