#include "daemon/admin.hpp"

#include "base/run_on.hpp"
#include "daemon/http_metrics.hpp"
#include "daemon/log.hpp"
#include "http/middleware.hpp"

#include <algorithm>
#include <exception>
#include <iterator>
#include <utility>

namespace belay::daemon {
namespace {

using namespace std::chrono_literals;

/** For answers in flight on the control socket at the end: they were promised, and come at once. */
constexpr auto control_patience = 500ms;

/**
 * For who has connected or been answered just now on the admin port, and for who does not close.  Scrapers that have
 * been idle for longer than the hold close when we do: they take no time from a restart.
 */
constexpr auto admin_patience = 500ms;

/** Those of the admin port.  A peer that does not close its end delays every exit: it gets as long as a hold. */
http::Limits admin_limits()
{
    http::Limits limits;
    limits.close_timeout = limits.drain_hold;
    return limits;
}

http::Route get(std::string pattern, std::function<http::Response()> make)
{
    return {"GET", std::move(pattern), [make = std::move(make)](http::Request&) { return make(); }, {}};
}

http::Response metrics_text(const Metrics& metrics)
{
    http::Response response = http::text_response(200, metrics.text());
    response.content_type = "text/plain; version=0.0.4"; // the exposition format's name and version
    return response;
}

void add_probes(http::Router& router, const Metrics& metrics, const Admin::Probes& probes)
{
    router.add(get("/healthz", probes.healthz));
    router.add(get("/readyz", probes.readyz));
    router.add(get("/metrics", [&metrics] { return metrics_text(metrics); }));
}

} // namespace

Admin::Admin(Threads& threads, Metrics& metrics, http::Router& control_router, const Probes& probes)
    : metrics_(metrics), control_router_(control_router), thread_(threads, "admin"),
      server_(options("admin", router_, admin_limits())), control_(options("control", control_router_)),
      collectors_{
          metrics.add(connection_metrics(server_, "admin")), metrics.add(connection_metrics(control_, "control"))}
{
    add_probes(router_, metrics, probes);
    add_probes(control_router_, metrics, probes);
    control_router_.add(get("/debug/threads", probes.threads));
}

Admin::~Admin()
{
    for (const std::size_t collector : collectors_)
        metrics_.remove(collector);
    stop();
}

http::Server::Options Admin::options(const char* name, const http::Router& router, const http::Limits& limits)
{
    const auto report = [](const http::Request& request, std::string_view what) {
        log::error("request failed", {{"target", request.target}, {"request_id", request.id}, {"error", what}});
    };
    http::Server::Options options;
    options.name = name;
    options.loops = {&io()};
    options.control = io().get_executor();
    options.router = &router;
    options.handler = router.dispatcher();
    options.middleware = {.steps = {http::assign_id, http::assign_trace},
        .observers = {access_log(name), http_metrics(metrics_, name)},
        .on_exception = report};
    options.limits = limits;
    options.on_warning = [name](std::string_view what) { log::warning(what, {{"server", name}}); };
    return options;
}

asio::awaitable<std::vector<http::ListeningSocket>> Admin::change_listeners(
    std::vector<http::ListeningSocket> added, std::vector<std::string> removed)
{
    co_return co_await run_on(io(), change(std::move(added), std::move(removed)));
}

asio::awaitable<void> Admin::open_control(http::ListeningSocket socket)
{
    std::vector<http::ListeningSocket> sockets;
    sockets.push_back(std::move(socket));
    co_await run_on(io(), add(control_, std::move(sockets)));
}

asio::awaitable<std::optional<Admin::Handed>> Admin::freeze(std::chrono::steady_clock::time_point deadline)
{
    co_return co_await run_on(io(), freeze_both(deadline));
}

asio::awaitable<void> Admin::resume(Handed handed)
{
    co_await run_on(io(), resume_both(std::move(handed)));
}

asio::awaitable<std::optional<Admin::Handed>> Admin::freeze_both(std::chrono::steady_clock::time_point deadline)
{
    std::optional<http::HandedServer> control = co_await control_.freeze(deadline);
    if (!control)
        co_return std::nullopt;
    std::optional<http::HandedServer> admin = co_await server_.freeze(deadline);
    if (!admin) {
        control_.resume(std::move(*control));
        co_return std::nullopt;
    }
    co_return Handed{std::move(*admin), std::move(*control)};
}

asio::awaitable<void> Admin::resume_both(Handed handed)
{
    server_.resume(std::move(handed.admin));
    control_.resume(std::move(handed.control));
    co_return;
}

asio::awaitable<void> Admin::close_control()
{
    co_await run_on(io(), finish_control());
}

asio::awaitable<void> Admin::finish_port()
{
    co_await run_on(io(), finish_server());
}

asio::awaitable<void> Admin::close()
{
    co_await run_on(io(), finish());
}

asio::awaitable<void> Admin::add(http::Server& server, std::vector<http::ListeningSocket> sockets)
{
    const char* const name = &server == &server_ ? "admin" : "control";
    for (auto& socket : sockets) {
        const std::string listener = socket.name;
        server.add_listener(std::move(socket));
        log::info("listening", {{"server", name}, {"listener", listener}, {"address", server.bound_address(listener)}});
    }
    co_return;
}

asio::awaitable<std::vector<http::ListeningSocket>> Admin::change(
    std::vector<http::ListeningSocket> added, std::vector<std::string> removed)
{
    co_await add(server_, std::move(added));
    std::vector<http::ListeningSocket> passed;
    for (const auto& listener : removed)
        std::ranges::move(server_.remove_listener(listener), std::back_inserter(passed));
    co_return passed;
}

asio::awaitable<void> Admin::finish_control()
{
    co_await control_.stop_accepting();
    co_await control_.finish(std::chrono::steady_clock::now() + control_patience);
    co_await control_.close();
}

asio::awaitable<void> Admin::finish_server()
{
    co_await server_.stop_accepting();
    co_await server_.finish(std::chrono::steady_clock::now() + admin_patience);
}

asio::awaitable<void> Admin::finish()
{
    co_await control_.close();
    co_await finish_server();
    co_await server_.close();
}

} // namespace belay::daemon
