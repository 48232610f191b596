// What a hook makes of an authentic request.
#include "belayd/config/load.hpp"
#include "belayd/hooks/hook_table.hpp"
#include "belayd/hooks/payload.hpp"
#include "push.hpp"

#include <benchmark/benchmark.h>

namespace belay::bench {
namespace {

/** A table with the one hook "deploy", of which that is said. */
hooks::HookTable make_table(const std::string& more)
{
    return hooks::HookTable{config::parse_config("[hooks.deploy]\nauth = 'none'\n" + more + "\n", "bench.toml")};
}

void decide(benchmark::State& state, const std::string& more, std::size_t body_size)
{
    const hooks::HookTable table = make_table(more);
    const hooks::Hook& hook = *table.find("deploy");
    const std::string body = make_push(body_size);
    const std::array<http::Field, 3> fields{
        {{"Host", "a"}, {"Content-Type", "application/json"}, {"X-GitHub-Event", "push"}}};
    http::Request request;
    request.method = "POST";
    request.path = "/hooks/deploy";
    request.body = body;
    request.fields = fields;
    const hooks::Input input{.request = request, .now = {}};
    if (!hook.decide(input).authentic)
        state.SkipWithError("the request is refused");
    for (auto _ : state)
        benchmark::DoNotOptimize(hook.decide(input));
}

const std::string rules = R"(
when = { all = [
    { header = 'X-GitHub-Event', equals = 'push' },
    { any = [{ payload = '/ref', equals = 'refs/heads/next' }, { payload = '/ref', glob = 'refs/heads/*' }] },
    { not = { payload = '/head_commit/message', regex = '(?i)\[skip ci\]' } },
] }
)";

void decide_without_rules(benchmark::State& state)
{
    decide(state, "run = ['/bin/true']", 10 << 10);
}
BENCHMARK(decide_without_rules);

void decide_with_an_argument(benchmark::State& state)
{
    decide(
        state, "run = ['/bin/true', { payload = '/repository/full_name' }]", static_cast<std::size_t>(state.range(0)));
}
BENCHMARK(decide_with_an_argument)->Arg(1 << 10)->Arg(10 << 10)->Arg(100 << 10);

void decide_by_a_header(benchmark::State& state)
{
    decide(state, "run = ['/bin/true']\nwhen = { header = 'X-GitHub-Event', equals = 'none' }", 10 << 10);
}
BENCHMARK(decide_by_a_header);

void decide_by_rules(benchmark::State& state)
{
    decide(state, "run = ['/bin/true']" + rules, static_cast<std::size_t>(state.range(0)));
}
BENCHMARK(decide_by_rules)->Arg(1 << 10)->Arg(10 << 10)->Arg(100 << 10);

} // namespace
} // namespace belay::bench
