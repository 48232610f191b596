#pragma once
#include "daemon/core.hpp"
#include "daemon/loop_thread.hpp"
#include "http/server.hpp"

#include <optional>

namespace belay {

/** All that a daemon has to supply: this one says hello, on a thread of its own. */
class Example : public daemon::Service {
public:
    explicit Example(daemon::Core& core) : core_(core) { router_.add({"GET", "/hello", hello, {}}); }

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
    asio::awaitable<daemon::ReloadVerdict> reload() override { co_return daemon::ReloadVerdict{true, "as before"}; }
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

protected:
    static asio::awaitable<http::Response> hello(http::Request& /*request*/)
    {
        co_return http::text_response(200, "hello\n");
    }

    daemon::Core& core_;
    http::Router router_;

private:
    std::optional<daemon::LoopThread> thread_;
    std::optional<http::Server> server_;
};

} // namespace belay
