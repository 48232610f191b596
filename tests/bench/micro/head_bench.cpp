// From bytes to a route.
#include "http/head_parser.hpp"
#include "http/head_scanner.hpp"
#include "http/header_policy.hpp"
#include "http/response.hpp"
#include "http/router.hpp"
#include "http/server.hpp"
#include "push.hpp"

#include <benchmark/benchmark.h>

namespace belay::bench {
namespace {

void scan_head(benchmark::State& state)
{
    const http::Limits limits;
    const std::string raw = make_head();
    http::HeadScanner scanner{limits};
    for (auto _ : state) {
        benchmark::DoNotOptimize(scanner.scan(raw));
        scanner.reset();
    }
}
BENCHMARK(scan_head);

void parse_head(benchmark::State& state)
{
    const std::string raw = make_head();
    std::vector<http::Field> fields;
    for (auto _ : state) {
        http::Head head;
        benchmark::DoNotOptimize(http::parse_head(raw, head, fields));
    }
}
BENCHMARK(parse_head);

void header_policy(benchmark::State& state)
{
    const http::Limits limits;
    const std::string raw = make_head();
    std::vector<http::Field> fields;
    http::Head head;
    if (http::parse_head(raw, head, fields))
        state.SkipWithError("the head is refused");
    for (auto _ : state)
        benchmark::DoNotOptimize(http::apply_header_policy(head, limits));
}
BENCHMARK(header_policy);

asio::awaitable<http::Response> answer(http::Request&)
{
    co_return http::Response{};
}

/** As ingress has them, and the API beside. */
void route(benchmark::State& state)
{
    http::Router router;
    for (const char* const method : {"POST", "GET", "PUT", "PATCH", "DELETE"})
        router.add(
            {method, "/hooks/{name}", answer, [](const http::Request&) { return http::Admission{Bytes{1'024}}; }});
    for (const char* const path :
        {"/healthz", "/readyz", "/metrics", "/api/v1/jobs", "/api/v1/jobs/{id}", "/api/v1/status"})
        router.add({"GET", path, answer, {}});
    for (auto _ : state) {
        http::Request request;
        request.method = "POST";
        request.path = "/hooks/deploy";
        benchmark::DoNotOptimize(router.admit(request));
    }
}
BENCHMARK(route);

} // namespace
} // namespace belay::bench
