// The example daemon, slow where tests want it to be.
#include "signals/handled_signals.hpp"
#include "tests/daemon/example_service.hpp"

#include <boost/asio/steady_timer.hpp>

#include <cstdlib>
#include <string>
#include <thread>

using namespace belay;

namespace {

class Slow final : public Example {
public:
    explicit Slow(daemon::Core& core) : Example(core) { router_.add({"GET", "/block", block, {}}); }

    /** As long as EXAMPLE_RELOAD_MS says, for tests of what comes in meanwhile. */
    asio::awaitable<daemon::ReloadVerdict> reload() override
    {
        const char* const slow = std::getenv("EXAMPLE_RELOAD_MS");
        asio::steady_timer work{core_.main_loop(), std::chrono::milliseconds{slow != nullptr ? std::atoi(slow) : 0}};
        co_await work.async_wait(asio::use_awaitable);
        co_return daemon::ReloadVerdict{true, "nothing to reload"};
    }

private:
    /** GET /block?ms=N: what must never happen: the loop does not turn for so long. */
    static asio::awaitable<http::Response> block(http::Request& request)
    {
        std::this_thread::sleep_for(std::chrono::milliseconds{std::stoi(std::string{request.query.substr(3)})});
        co_return http::text_response(200, "blocked\n");
    }
};

} // namespace

int main(int argc, char** argv) // slow_daemon [CONTROL_SOCKET]
{
    signals::block_handled_signals();
    daemon::Core core{{.name = "example",
        .version = "1",
        .admin_listen = {"127.0.0.1:0"},
        .control_socket = argc > 1 ? argv[1] : "",
        .strict_leaks = true}};
    Slow service{core};
    return core.run(service);
}
