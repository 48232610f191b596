// How belayd comes to rest: jobs, the delay for a balancer, the doors, the connections.
#include "base/task_group.hpp"
#include "belayd/belayd.hpp"
#include "daemon/handed_server.hpp"
#include "daemon/log.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace belay {
namespace {

using namespace std::chrono_literals;

/** A drain_delay ends early when no request has been on its way for this long: the balancer has left. */
constexpr auto quiet_time = 500ms;
constexpr auto quiet_check = 50ms;

/** How often the connections that are left are counted, for STATUS=. */
constexpr auto report_interval = 50ms;

/** How long connections may take to end after accepting stopped, but for those whose request is being handled. */
constexpr auto finish_time = 5s;

/** What an idle one takes at most, to hold and to linger: given even where what came before used up the time. */
constexpr auto least_finish_time = 2s;

/** How long requests may still be handled when connections are to be left to the next process. */
constexpr auto freeze_time = 1s;

/** What is left of the drain's time for the control socket, the store and the leak check. */
constexpr auto stop_time = 2s;

std::chrono::steady_clock::time_point finish_deadline(const daemon::DrainContext& drain)
{
    const auto now = daemon::DrainContext::Clock::now();
    return std::max(now + least_finish_time, std::min(drain.deadline() - stop_time, now + finish_time));
}

/** "2 in flight, 18 idle" */
std::string text_of(const std::array<std::size_t, http::connection_states>& connections)
{
    std::string text;
    for (std::size_t i = 0; i < connections.size(); ++i)
        if (connections[i] > 0)
            text += fmt::format("{}{} {}", text.empty() ? "" : ", ", connections[i],
                http::to_string(static_cast<http::ConnectionState>(i)));
    std::ranges::replace(text, '_', ' ');
    return text.empty() ? "none left" : text;
}

} // namespace

asio::awaitable<void> Belayd::drain(daemon::DrainContext& drain)
{
    TaskGroup helpers{core_.main_loop().get_executor(), report_task_error};
    helpers.spawn("hurry", forward_hurry(drain));
    scheduler_->pause();
    drain.report("manager", "its word whether this is a restart");
    asio::awaitable<bool> question = core_.descriptor_store().has_room();
    bool restart = co_await std::move(question);
    if (!restart) // else the next process goes on with the connections
        server_->announce_close();

    // Jobs first, while ingress keeps storing: what is stored is safe for the next start.
    const std::function<void(std::size_t)> report = [this, &drain](std::size_t running) {
        asio::post(core_.main_loop(), [&drain, running] { drain.report("jobs", fmt::format("{} running", running)); });
    };
    drain.report("jobs", fmt::format("{} running", scheduler_->running_count()));
    co_await scheduler_->drain(drain.soft_deadline(), report);
    waits_.release(); // what has not ended by now does so after the next start
    co_await wait_for_drain_delay(drain);

    if (restart) {
        drain.report("successor", "its word whether it can take over");
        restart = co_await can_leave_connections();
    }
    if (restart) { // what can be done while everybody is still served
        drain.report("store", "a checkpoint");
        co_await rest_store(drain);
        co_await passwords_->rest(); // who waits for it is left to the next process
        drain.report("admin", "its peers");
        co_await core_.close_admin_port();
    }
    drain.report("doors", fmt::format("{} listeners", server_->listeners().size()));
    co_await server_->stop_accepting();
    helpers.spawn("report connections", report_connections(drain));
    if (restart) {
        co_await store_connections(finish_deadline(drain));
        passwords_->go_on();
        co_await server_->resume_left();
    }
    co_await server_->finish(finish_deadline(drain), drain.deadline() - stop_time);

    helpers.request_stop();
    co_await helpers.wait_until_empty();
}

/** Whether there is a next process, of which the manager may think otherwise by now, and it will take them. */
asio::awaitable<bool> Belayd::can_leave_connections()
{
    asio::awaitable<bool> question = core_.descriptor_store().has_room();
    bool can = co_await std::move(question);
    if (can)
        can = co_await core_.successor_can_take_over();
    if (!can)
        server_->announce_close();
    co_return can;
}

/** Its upkeep is over, so that nobody waits for that between two processes. */
asio::awaitable<void> Belayd::rest_store(const daemon::DrainContext& drain)
{
    try {
        co_await store_->checkpoint(finish_deadline(drain));
        (void)co_await store_->freeze(finish_deadline(drain));
    } catch (const jobs::StoreUnavailable& e) {
        log::warning("store has not come to rest, stopping all the same", {{"error", e.what()}});
    }
}

/**
 * Leaves connections to the process that a restart starts, in the manager's store.  What is still being answered when a
 * commit takes longer than the others are to wait goes on here.
 */
asio::awaitable<void> Belayd::store_connections(std::chrono::steady_clock::time_point deadline)
{
    http::HandedServer frozen;
    frozen.connections =
        co_await server_->freeze_connections(std::min(deadline, daemon::DrainContext::Clock::now() + freeze_time));
    const std::size_t busy = server_->requests_in_flight();
    const std::size_t count = frozen.connections.size();
    bool stored = true;
    if (count > 0) {
        daemon::Handover out;
        out.document["ingress"] = daemon::to_json(std::move(frozen), out);
        stored = co_await core_.descriptor_store().put(out);
        if (!stored)
            server_->resume(daemon::handed_server(out.document.at("ingress"), out));
    }
    if (count + busy > 0)
        log::info("connections left to the next process",
            {{"connections", stored ? count : 0}, {"not_stored", stored ? 0 : count}, {"busy", busy}});
}

void Belayd::take_back(daemon::Handover& stored)
{
    http::HandedServer handed = daemon::handed_server(stored.document.at("ingress"), stored);
    log::info("connections taken over", {{"connections", handed.connections.size()}});
    server_->resume(std::move(handed));
}

asio::awaitable<void> Belayd::wait_for_drain_delay(daemon::DrainContext& drain)
{
    using Clock = daemon::DrainContext::Clock;
    // Counted from the signal, so that it runs concurrently with the jobs.
    const auto end = drain.soft_deadline() - config_.drain_timeout + config_.drain_delay;
    asio::steady_timer timer{co_await asio::this_coro::executor};
    auto last_busy = Clock::now();
    std::size_t begun = server_->requests_begun();
    drain.report("delay", text_of(server_->connections()));
    while (!drain.hurried() && Clock::now() < end && Clock::now() - last_busy < quiet_time) {
        timer.expires_after(quiet_check);
        co_await timer.async_wait(asio::use_awaitable);
        const std::size_t before = std::exchange(begun, server_->requests_begun()); // most are over between two looks
        if (begun != before || server_->requests_in_flight() != 0)
            last_busy = Clock::now();
        drain.report("delay", text_of(server_->connections()));
    }
}

/** Until cancelled: who is still connected is nobody's to tell, but counted. */
asio::awaitable<void> Belayd::report_connections(daemon::DrainContext& drain)
{
    asio::steady_timer timer{co_await asio::this_coro::executor};
    for (;;) {
        drain.report("connections", text_of(server_->connections()));
        timer.expires_after(report_interval);
        co_await timer.async_wait(asio::use_awaitable);
    }
}

asio::awaitable<void> Belayd::forward_hurry(daemon::DrainContext& drain)
{
    co_await drain.until_hurried();
    if (drain.hurried()) // else: cancelled, the drain is over
        scheduler_->hurry();
}

} // namespace belay
