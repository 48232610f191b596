// A whole daemon on the service core, in one page: it says hello, on a thread of its own.
#include "daemon/core.hpp"
#include "daemon/loop_thread.hpp"
#include "http/server.hpp"
#include "signals/handled_signals.hpp"

#include <boost/asio/steady_timer.hpp>

#include <cstdlib>
#include <cstring>
#include <optional>
#include <thread>

using namespace belay;

namespace {

asio::awaitable<http::Response> hello(http::Request& /*request*/)
{
    co_return http::text_response(200, "hello\n");
}

/** GET /block?ms=N: what must never happen, for tests: the loop does not turn for so long. */
asio::awaitable<http::Response> block(http::Request& request)
{
    std::this_thread::sleep_for(std::chrono::milliseconds{std::atoi(request.query.data() + std::strlen("ms="))});
    co_return http::text_response(200, "blocked\n");
}

class Example final : public daemon::Service {
public:
    explicit Example(daemon::Core& core) : core_(core)
    {
        router_.add({"GET", "/hello", hello, {}});
        router_.add({"GET", "/block", block, {}});
    }

    void start() override
    {
        thread_.emplace(core_.threads(), "http-0", std::source_location::current());
        server_.emplace(http::Server::Options{.name = "ingress",
            .loops = {&thread_->io()},
            .control = core_.main_loop().get_executor(),
            .router = &router_,
            .handler = router_.dispatcher(),
            .bodies = nullptr,
            .limits = {},
            .on_warning = {}});
        server_->add_listener(http::open_listening_socket("127.0.0.1:0"));
        log::info("listening", {{"server", "ingress"}, {"address", server_->bound_address("127.0.0.1:0")}});
    }

    asio::awaitable<daemon::ReloadVerdict> reload() override
    {
        const char* const slow = std::getenv("EXAMPLE_RELOAD_MS"); // for tests of what comes in meanwhile
        asio::steady_timer work{core_.main_loop(), std::chrono::milliseconds{slow != nullptr ? std::atoi(slow) : 0}};
        co_await work.async_wait(asio::use_awaitable);
        co_return daemon::ReloadVerdict{true, "nothing to reload"};
    }

    asio::awaitable<void> drain(daemon::DrainContext& drain) override
    {
        drain.report("ingress", "requests in flight");
        server_->announce_close();
        co_await server_->stop_accepting();
        co_await server_->finish(drain.soft_deadline());
        co_await server_->close();
    }

    void stop() noexcept override
    {
        server_.reset();
        thread_.reset();
    }

    daemon::Readiness readiness() const override { return {}; }
    std::string status() const override { return "saying hello"; }

private:
    daemon::Core& core_;
    http::Router router_;
    std::optional<daemon::LoopThread> thread_;
    std::optional<http::Server> server_;
};

} // namespace

int main(int argc, char** argv) // example_daemon [CONTROL_SOCKET]
{
    signals::block_handled_signals();
    daemon::Core core{{.name = "example",
        .version = "1",
        .admin_listen = {"127.0.0.1:0"},
        .control_socket = argc > 1 ? argv[1] : "",
        .strict_leaks = true}};
    Example service{core};
    return core.run(service);
}
