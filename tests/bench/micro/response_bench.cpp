// What goes back: to senders, and to those who scrape.
#include "daemon/metrics.hpp"
#include "http/response.hpp"
#include "http/response_writer.hpp"

#include <boost/json.hpp>
#include <prometheus/counter.h>

#include <benchmark/benchmark.h>

namespace belay::bench {
namespace {

constexpr const char* event = "01890a5d-ac96-774b-bcce-b302099a8057";

void serialise_accepted(benchmark::State& state)
{
    for (auto _ : state)
        benchmark::DoNotOptimize(
            boost::json::serialize(boost::json::object{{"event", event}, {"job", event}, {"state", "queued"}}));
}
BENCHMARK(serialise_accepted);

void write_response(benchmark::State& state)
{
    const http::Response response = http::json_response(
        202, boost::json::serialize(boost::json::object{{"event", event}, {"job", event}, {"state", "queued"}}));
    std::string out;
    for (auto _ : state) {
        out.clear();
        http::append_response(out, response, {.date = "Sun, 06 Nov 1994 08:49:37 GMT", .request_id = event});
        benchmark::DoNotOptimize(out.data());
    }
}
BENCHMARK(write_response);

void write_metrics(benchmark::State& state)
{
    daemon::Metrics metrics;
    auto& family = prometheus::BuildCounter().Name("belay_bench_total").Help("Bench.").Register(metrics.registry());
    for (std::int64_t i = 0; i < state.range(0); ++i)
        family.Add({{"hook", "hook-" + std::to_string(i)}, {"result", "accepted"}}).Increment();
    for (auto _ : state)
        benchmark::DoNotOptimize(metrics.text());
}
BENCHMARK(write_metrics)->Arg(50)->Arg(500)->Arg(5'000);

} // namespace
} // namespace belay::bench
