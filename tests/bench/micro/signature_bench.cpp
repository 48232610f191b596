// Who sends it.
#include "belayd/hooks/mac.hpp"
#include "belayd/hooks/verifier.hpp"
#include "push.hpp"

#include <benchmark/benchmark.h>

namespace belay::bench {
namespace {

std::string hex(const hooks::Digest& digest)
{
    std::string text;
    for (const unsigned char byte : digest.view()) {
        text += "0123456789abcdef"[byte >> 4];
        text += "0123456789abcdef"[byte & 15];
    }
    return text;
}

void hmac_sha256(benchmark::State& state)
{
    const hooks::Mac mac{"SHA256", push_secret};
    const std::string body(static_cast<std::size_t>(state.range(0)), 'x');
    const std::array<std::string_view, 1> message{body};
    for (auto _ : state)
        benchmark::DoNotOptimize(mac.digest(message));
    state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(hmac_sha256)->Arg(256)->Arg(10 << 10)->Arg(1 << 20);

void verify_github(benchmark::State& state)
{
    const config::Scheme& scheme = *config::find_scheme("github");
    std::vector<hooks::Verifier::Key> keys;
    keys.push_back({hooks::SenderKey{scheme, push_secret}, {}});
    const hooks::Verifier verifier{scheme, std::move(keys)};
    const std::string body(static_cast<std::size_t>(state.range(0)), 'x');
    const std::array<std::string_view, 1> message{body};
    const std::string signature = "sha256=" + hex(hooks::Mac{"SHA256", push_secret}.digest(message));
    const std::array<http::Field, 3> fields{
        {{"Host", "a"}, {"X-GitHub-Event", "push"}, {"X-Hub-Signature-256", signature}}};
    http::Request request;
    request.method = "POST";
    request.body = body;
    request.fields = fields;
    if (!verifier.verify(request, {}).authentic)
        state.SkipWithError("the signature is refused");
    for (auto _ : state)
        benchmark::DoNotOptimize(verifier.verify(request, {}));
    state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(verify_github)->Arg(256)->Arg(10 << 10)->Arg(1 << 20);

} // namespace
} // namespace belay::bench
