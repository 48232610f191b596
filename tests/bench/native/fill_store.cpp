// Puts queued jobs of hook "durable" into the database of a state directory: what a daemon that was down for long
// finds.
//
//     fill_store DATABASE COUNT
#include "belayd/jobs/store.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <fmt/format.h>

#include <cstdlib>

namespace belay::jobs {
namespace {

constexpr std::size_t at_once = 1'000; // in one transaction and sync

asio::awaitable<void> fill(Store& store, std::size_t& left)
{
    while (left > 0) {
        --left;
        NewEvent event;
        event.hook = "durable";
        event.body = R"({"ref":"refs/heads/main"})";
        event.content_type = "application/json";
        event.remote = "127.0.0.1";
        event.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        event.arguments = {"/bin/sleep", "1000"};
        co_await store.accept(std::move(event));
    }
}

void run(const char* path, std::size_t count)
{
    daemon::Threads threads;
    daemon::Metrics metrics;
    StoreOptions options;
    options.path = path;
    options.free_space_floor = 0;
    options.boot_id = "fill_store";
    Store store{threads, metrics, std::move(options), [](const std::string&) { std::abort(); }};
    asio::io_context io{1};
    std::size_t left = count;
    for (std::size_t i = 0; i < at_once; ++i)
        asio::co_spawn(io, fill(store, left), asio::detached);
    io.run();
}

} // namespace
} // namespace belay::jobs

int main(int argc, char** argv)
{
    if (argc != 3) {
        fmt::print(stderr, "usage: fill_store DATABASE COUNT\n");
        return 64;
    }
    belay::jobs::run(argv[1], static_cast<std::size_t>(std::strtoull(argv[2], nullptr, 10)));
}
