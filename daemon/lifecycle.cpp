#include "daemon/lifecycle.hpp"

#include "base/failpoint.hpp"
#include "base/probe.hpp"
#include "daemon/log.hpp"
#include "daemon/stacks.hpp"
#include "signals/notify_socket.hpp"

#include <boost/asio/post.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <unistd.h>

#include <exception>
#include <system_error>
#include <utility>
#include <vector>

namespace belay::daemon {
namespace {

using namespace std::chrono_literals;
using Clock = Lifecycle::Clock;

/** A waiter of a reload is answered after READY=1 is on the wire, or after this: PID 1 may not read at all. */
constexpr auto ready_patience = 5s;
constexpr auto status_interval = 5s;
constexpr auto drain_status_interval = 100ms;

double seconds_since(Clock::time_point begin)
{
    return std::chrono::duration<double>{Clock::now() - begin}.count();
}

std::string what(const std::exception_ptr& error)
{
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return e.what();
    } catch (...) {
        return "an exception that is not a std::exception";
    }
}

} // namespace

Lifecycle::Lifecycle(asio::io_context& main, signals::SignalQueue& signals, Threads& threads, NotifyThread& notify,
    Timeouts timeouts, WedgeNote wedge_note, std::function<void()> flush_log)
    : main_(main), signals_(signals), threads_(threads), notify_(notify), timeouts_(timeouts),
      flush_log_(std::move(flush_log)), watchdog_(threads, notify, signals::watchdog_interval(), std::move(wedge_note),
                                            [this] { asio::post(main_, [this] { tell_status_again(); }); }),
      reloads_(main), status_due_(main),
      tasks_(main.get_executor(), [](std::string_view task, const std::exception_ptr& error) {
          log::error("unexpected exception in task", {{"task", task}, {"error", what(error)}});
      })
{
    view_.last_reload_success = std::chrono::system_clock::now();
}

asio::awaitable<void> Lifecycle::run(Service& service)
{
    service_ = &service;
    tasks_.spawn("signals", handle_signals());
    const bool stop_awaits_us = drain_ || signals::stop_is_pending();
    signals::unblock_handled_signals();
    if (!stop_awaits_us) {
        failpoint("start.ready");
        become_ready();
        if (resumed_) {
            co_await notify_.flush(ready_patience);
            reloads_.settle_left({true, fmt::format("{}: {}", *resumed_, told_status_)});
        }
        log::info("ready", {{"service", told_status_}, {"startup_seconds", seconds_since(started_)}});
    }
    tasks_.spawn("status", keep_status());

    while (!drain_) {
        const std::optional<ReloadRequests::Request> request = reloads_.begin();
        if (request)
            co_await perform(*request);
        else
            co_await reloads_.wait();
    }
    reloads_.end();

    co_await drain();
    begin_stop();
    service_ = nullptr;
    tasks_.request_stop();
    co_await tasks_.wait_until_empty();
}

asio::awaitable<void> Lifecycle::handle_signals()
{
    for (;;) {
        switch (const int signal = co_await signals_.next()) {
        case SIGTERM:
        case SIGINT:
            on_stop_signal(signal);
            break;
        case SIGHUP:
            reloads_.request(Scope::configuration);
            break;
        case SIGUSR2:
            reloads_.request(Scope::everything);
            break;
        case SIGUSR1:
            log_report();
            break;
        default:
            break;
        }
    }
}

void Lifecycle::on_stop_signal(int signal)
{
    const char* const name = signal == SIGTERM ? "SIGTERM" : "SIGINT";
    if (!drain_) {
        request_stop(name);
        return;
    }
    log::warning("second stop signal, forcing the drain", {{"signal", name}});
    if (exit_code_ == ExitCode::clean)
        exit_code_ = ExitCode::forced;
    drain_->hurry();
}

void Lifecycle::become_ready()
{
    set_state(State::ready);
    told_status_ = status();
    notify_.state("READY=1\n" + signals::status_assignment(told_status_));
    watchdog_.ping();
}

asio::awaitable<void> Lifecycle::keep_status()
{
    for (;;) {
        status_due_.expires_after(drain_ ? drain_status_interval : status_interval);
        error_code ec; // it is cancelled to come sooner
        co_await status_due_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
        tell_status();
    }
}

std::string Lifecycle::status() const
{
    if (const auto wedged = watchdog_.wedged(); !wedged.empty())
        return fmt::format("wedged: {}", wedged);
    const auto state = view();
    return previous_run_ + (state.last_reload_ok ? "" : "the last reload failed, see the log; ") + service_->status();
}

void Lifecycle::tell_of_wedges(const std::vector<Wedge>& wedges)
{
    for (const Wedge& wedge : wedges) {
        log::error("the previous run ended while a loop was wedged",
            {{"loop", wedge.loop}, {"since", wedge.since}, {"wait_channel", wedge.wait_channel},
                {"stack", wedge.stack}});
        previous_run_ += fmt::format("loop {} was wedged when the previous run ended; ", wedge.loop);
    }
}

void Lifecycle::tell_status()
{
    tell(drain_ ? phases_.status(Clock::now()) : status());
}

/** After others told it behind our back. */
void Lifecycle::tell_status_again()
{
    told_status_.clear();
    if (service_ != nullptr) // else READY=1 brings it, or nobody is to say more
        tell_status();
}

void Lifecycle::tell(std::string text)
{
    if (text == told_status_)
        return;
    notify_.status(text);
    told_status_ = std::move(text);
}

asio::awaitable<ReloadVerdict> Lifecycle::reload(Scope scope)
{
    if (drain_ || view().state == State::stopped)
        co_return ReloadVerdict{false, "the daemon is stopping"};
    co_return co_await reloads_.verdict(scope);
}

asio::awaitable<void> Lifecycle::perform(ReloadRequests::Request request)
{
    const auto begin = Clock::now();
    set_state(State::reloading);
    notify_.state(signals::reloading_message(request.requested) + "\nSTATUS=reloading");
    ReloadVerdict verdict = co_await verdict_of(request.scope);
    {
        const std::scoped_lock lock{mutex_};
        view_.last_reload_ok = verdict.ok;
        ++(verdict.ok ? view_.reloads_succeeded : view_.reloads_failed);
        if (verdict.ok)
            view_.last_reload_success = std::chrono::system_clock::now();
    }
    if (verdict.ok)
        log::info("reloaded", {{"result", verdict.message}, {"duration_seconds", seconds_since(begin)}});
    else
        log::error("reload failed, nothing changed", {{"error", verdict.message}});
    if (!drain_) {      // else STOPPING=1 is out: READY=1 must not follow it
        become_ready(); // after a failure too, else the manager waits for ever
        co_await notify_.flush(ready_patience);
    }
    reloads_.conclude(std::move(verdict));
}

asio::awaitable<ReloadVerdict> Lifecycle::verdict_of(Scope scope)
{
    ReloadVerdict verdict;
    try {
        std::optional<std::string> trouble;
        if (upgrade_ && scope != Scope::configuration)
            trouble = co_await upgrade_(scope == Scope::executable);
        if (trouble)
            verdict = {false, *trouble};
        else
            verdict = co_await service_->reload();
    } catch (...) {
        verdict = {false, what(std::current_exception())};
    }
    co_return verdict;
}

void Lifecycle::show_upgrading()
{
    set_state(State::upgrading);
    notify_.status("upgrading");
}

boost::json::value Lifecycle::handed() const
{
    return {{"reload_again", reloads_.asked_for()}};
}

void Lifecycle::resume(const boost::json::value& handed, std::string message)
{
    {
        const std::scoped_lock lock{mutex_};
        view_.reloads_succeeded = 1; // the upgrade; earlier ones are carried by the metrics
    }
    if (handed.at("reload_again").as_bool())
        reloads_.request(Scope::everything);
    resumed_ = std::move(message);
}

void Lifecycle::request_stop(std::string_view reason)
{
    if (drain_)
        return;
    const auto deadline = Clock::now() + timeouts_.whole_drain();
    drain_.emplace(main_, deadline, timeouts_.drain,
        [this](std::string_view phase, std::string_view waiting_for) { report_phase(phase, waiting_for); });
    arm(deadline);
    begin_phase("begin", reloads_.under_way() ? "the reload under way" : "the service");
    set_state(State::draining);
    log::info("draining",
        {{"reason", reason}, {"deadline_seconds", std::chrono::duration<double>{deadline - Clock::now()}.count()}});
    watchdog_.leave_manager_alone();
    notify_.state("STOPPING=1\nSTATUS=draining");
    if (on_stop_)
        on_stop_();
    stop_requested_.emit(asio::cancellation_type::terminal);
    status_due_.cancel(); // from now on more often
    reloads_.interrupt();
}

void Lifecycle::arm(Clock::time_point deadline)
try {
    last_resort_.emplace(threads_, deadline, [this](std::string_view reason) {
        const auto main_stack = stack_of(::getpid());
        log::error("exiting by force", {{"reason", reason}, {"phase", view().drain_phase},
                                           {"main_stack", fmt::format("{}", fmt::join(main_stack, " < "))}});
        flush_log_();
    });
} catch (const std::system_error& e) { // no thread to be had: a stop goes on without
    log::error("nothing ends a stop that hangs", {{"error", e.what()}});
}

void Lifecycle::begin_stop()
{
    signals::block_handled_signals();
    if (!drain_) // a signal during the start asked for what happens now
        signals::forget_pending_stop();
    if (!last_resort_) // perhaps for want of a thread, which there may be now
        arm(drain_ ? drain_->deadline() : Clock::now() + timeouts_.slack);
    if (last_resort_)
        last_resort_->heed_signals();
    watchdog_.stop(); // main beats no more
}

void Lifecycle::hurry()
{
    if (drain_)
        drain_->hurry();
}

void Lifecycle::fail(ExitCode code, std::string_view reason)
{
    log::error("cannot go on", {{"error", reason}, {"exit_code", static_cast<int>(code)}});
    if (exit_code_ == ExitCode::clean)
        exit_code_ = code;
    request_stop(reason);
    hurry();
}

asio::awaitable<void> Lifecycle::drain()
{
    tasks_.spawn("extend", extend_timeout());
    try {
        co_await service_->drain(*drain_);
    } catch (...) {
        log::error("drain failed, stopping", {{"error", what(std::current_exception())}});
        if (exit_code_ == ExitCode::clean)
            exit_code_ = ExitCode::internal;
    }
}

asio::awaitable<void> Lifecycle::extend_timeout()
{
    asio::steady_timer timer{main_};
    for (;;) {
        timer.expires_after(timeouts_.extend);
        co_await timer.async_wait(asio::use_awaitable);
        if (phases_.take_progress())
            notify_.state(
                fmt::format("EXTEND_TIMEOUT_USEC={}", 3 * std::chrono::microseconds{timeouts_.extend}.count()));
    }
}

void Lifecycle::report_phase(std::string_view phase, std::string_view waiting_for)
{
    // Another phase is told at once, perhaps that of a start that failed; the rest soon: it may change many times.
    if (begin_phase(phase, waiting_for))
        tell(phases_.status(Clock::now()));
}

/** @return whether it is another one */
bool Lifecycle::begin_phase(std::string_view phase, std::string_view waiting_for)
{
    if (!phases_.report(phase, waiting_for, Clock::now()))
        return false;
    BELAY_PROBE(drain_phase, phase.data(), phase.size());
    const std::scoped_lock lock{mutex_};
    view_.drain_phase = phase;
    return true;
}

void Lifecycle::finish()
{
    begin_phase("", "");
    set_state(State::stopped);
    last_resort_.reset();
}

void Lifecycle::log_report() const
{
    const auto now = view();
    std::vector<std::string> loops;
    for (const auto& thread : threads_.running()) {
        const std::chrono::duration<double> age = thread.heartbeat->age(Clock::now());
        loops.push_back(fmt::format(
            "{} {:.1f}s{}", thread.name, age.count(), thread.heartbeat->wedged(Clock::now()) ? " wedged" : ""));
    }
    log::info("status report",
        {{"state", to_string(now.state)}, {"uptime_seconds", seconds_since(started_)},
            {"service", service_ != nullptr ? service_->status() : std::string{}}, {"drain_phase", now.drain_phase},
            {"reloads", now.reloads_succeeded}, {"reloads_failed", now.reloads_failed},
            {"threads", fmt::format("{}", fmt::join(loops, ", "))}});
}

Lifecycle::View Lifecycle::view() const
{
    const std::scoped_lock lock{mutex_};
    return view_;
}

void Lifecycle::set_state(State state)
{
    const std::scoped_lock lock{mutex_};
    view_.state = state;
}

} // namespace belay::daemon
