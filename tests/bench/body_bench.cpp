// Where bodies are best kept: durable accepts from 64 concurrent awaiters, the body in the database, there but
// compressed (zstd, level 1), or outside it, in a segment that is synced before the transaction.
//
//     body_bench DIRECTORY [seconds per slice = 1] [rounds = 10] [bytes of a body = 10240]
//
// The three alternate, since machines change speed meanwhile: only ratios within a run mean anything.
//
// CPU of the process relative to a body inside, and the rate (6 rounds of 1 s; one core, ext4):
//
//     body    inside        compressed   outside
//     10 KiB  1.00 (103 us)  1.24  1.11   0.68  1.36
//      4 KiB  1.00 (95 us)   0.92  1.29   0.67  1.52
//      2 KiB  1.00 (67 us)   1.17  0.96   0.92  1.11
//      1 KiB  1.00 (63 us)   1.14  0.90   0.94  0.97
//
// Outside, then, from 4 KiB on: below, what is gained is no more than the noise, and a lone event would wait for a
// second sync.  Compressing costs more CPU than the pages that it saves.
#include "belayd/jobs/store.hpp"
#include "tests/bench/figures.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <fmt/format.h>

#include <zstd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace belay::jobs {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;
using bench::cpu_seconds;
using bench::median;

/** A push, as compressible as one: the same names again and again, hashes that are all different. */
std::string make_body(std::size_t size)
{
    static std::mt19937_64 random{1};
    std::string body = R"({"ref":"refs/heads/main","repository":{"full_name":"example/it"},"commits":[)";
    while (body.size() < size)
        body += fmt::format(R"({{"id":"{:016x}{:016x}{:08x}","message":"change {} of {}","distinct":true,)"
                            R"("url":"https://github.com/example/it/commit/{:016x}","added":["src/{}.cpp"]}},)",
            random(), random(), random() & 0xffffffff, random() % 100'000, random() % 1'000, random(), random() % 500);
    body.resize(size);
    return body;
}

enum class Kept : std::uint8_t { inside, compressed, outside };

struct Slice {
    double rate = 0; ///< per second
    double p99 = 0;  ///< milliseconds
    double cpu = 0;  ///< microseconds of the process, for each
};

struct Candidate {
    Candidate(daemon::Threads& threads, const std::filesystem::path& directory, Kept kept_) : kept(kept_)
    {
        StoreOptions options{
            (directory / fmt::format("bodies-{}.db", static_cast<int>(kept))).string(), 24h, 0, "bench"};
        options.outside = kept == Kept::outside ? 0 : std::numeric_limits<Bytes>::max();
        store = std::make_unique<Store>(threads, metrics, options, [](const std::string&) { std::abort(); });
    }

    Kept kept;
    daemon::Metrics metrics;
    std::unique_ptr<Store> store;
    std::vector<Slice> slices;
};

std::string compress(const std::string& body)
{
    std::string out(::ZSTD_compressBound(body.size()), '\0');
    static ZSTD_CCtx* const context = ::ZSTD_createCCtx();
    out.resize(::ZSTD_compressCCtx(context, out.data(), out.size(), body.data(), body.size(), 1));
    return out;
}

asio::awaitable<void> accept_until(
    Candidate& candidate, const std::vector<std::string>& bodies, Clock::time_point end, std::vector<double>& latencies)
{
    for (std::size_t i = 0; Clock::now() < end; ++i) {
        const std::string& body = bodies[(i * 31 + latencies.size()) % bodies.size()];
        const auto begin = Clock::now();
        NewEvent event;
        event.hook = "bench";
        event.delivery_id = to_string(make_uuid_v7(
            std::chrono::system_clock::time_point{std::chrono::milliseconds{std::rand() * std::int64_t{100'000}}}));
        event.content_type = "application/json";
        event.remote = "127.0.0.1";
        event.arguments = {"/usr/local/bin/deploy", "example/repository"};
        event.body = candidate.kept == Kept::compressed ? compress(body) : body;
        co_await candidate.store->accept(std::move(event));
        latencies.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
    }
}

Slice measure(Candidate& candidate, const std::vector<std::string>& bodies, Clock::duration length)
{
    asio::io_context io{1};
    std::vector<double> latencies;
    const double cpu = cpu_seconds();
    const auto end = Clock::now() + length;
    for (int i = 0; i < 64; ++i)
        asio::co_spawn(io, accept_until(candidate, bodies, end, latencies), asio::detached);
    io.run();
    std::sort(latencies.begin(), latencies.end());
    const double count = double(latencies.size());
    return {count / std::chrono::duration<double>(length).count(), latencies[latencies.size() * 99 / 100],
        (cpu_seconds() - cpu) / count * 1e6};
}

void run(const std::filesystem::path& directory, double seconds, int rounds, std::size_t body_bytes)
{
    const auto length = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>{seconds});
    std::vector<std::string> bodies;
    for (int i = 0; i < 64; ++i)
        bodies.push_back(make_body(body_bytes));
    daemon::Threads threads;
    std::vector<std::unique_ptr<Candidate>> candidates;
    for (const Kept kept : {Kept::inside, Kept::compressed, Kept::outside})
        candidates.push_back(std::make_unique<Candidate>(threads, directory, kept));
    for (int round = 0; round < rounds; ++round)
        for (const auto& candidate : candidates)
            candidate->slices.push_back(measure(*candidate, bodies, length));
    fmt::print("a body of {} bytes compresses to {}\nkept        accepts/s  p99 ms  CPU us\n", body_bytes,
        compress(bodies.front()).size());
    constexpr std::array names{"inside", "compressed", "outside"};
    for (const auto& candidate : candidates)
        fmt::print("{:<10}  {:>9.0f}  {:>6.1f}  {:>6.1f}\n", names.at(static_cast<std::size_t>(candidate->kept)),
            median(candidate->slices, &Slice::rate), median(candidate->slices, &Slice::p99),
            median(candidate->slices, &Slice::cpu));
}

} // namespace
} // namespace belay::jobs

int main(int argc, char** argv)
{
    using belay::bench::number;
    const std::span arguments{argv, static_cast<std::size_t>(argc)};
    if (arguments.size() < 2) {
        fmt::print("usage: body_bench DIRECTORY [seconds per slice = 1] [rounds = 10] [body bytes = 10240]\n");
        return 64;
    }
    belay::jobs::run(arguments[1], number(arguments, 2, 1), static_cast<int>(number(arguments, 3, 10)),
        static_cast<std::size_t>(number(arguments, 4, 10240)));
}
