#include "daemon/core.hpp"

#include "base/run_on.hpp"
#include "daemon/admin.hpp"
#include "daemon/core_metrics.hpp"
#include "daemon/endpoints.hpp"
#include "daemon/leak_report.hpp"
#include "daemon/lifecycle.hpp"
#include "daemon/log.hpp"
#include "daemon/notify_thread.hpp"
#include "daemon/probes.hpp"
#include "daemon/pulse.hpp"
#include "daemon/stop_timeout.hpp"
#include "daemon/upgrade.hpp"
#include "http/server.hpp"
#include "signals/handled_signals.hpp"
#include "signals/manager.hpp"
#include "signals/notify_socket.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <system_error>
#include <utility>

namespace belay::daemon {
namespace {

using namespace std::chrono_literals;

/** PID 1 reads within microseconds, or not at all. */
constexpr auto notify_patience = 1s;

/** For the executable that a restart starts to read the configuration: who has to wait for it is being stopped. */
constexpr auto successor_patience = 2s;

/** Turns the loop until `task` has ended. */
void turn(asio::io_context& loop, asio::awaitable<void> task)
{
    bool done = false;
    std::exception_ptr failure;
    asio::co_spawn(loop, std::move(task), [&done, &failure](std::exception_ptr error) {
        done = true;
        failure = std::move(error);
    });
    while (!done)
        try {
            loop.run_one();
        } catch (const std::exception& e) { // as in LoopThread: one handler must not end the others
            log::error("unexpected exception in loop, continuing", {{"loop", "main"}, {"error", e.what()}});
        }
    if (failure)
        std::rethrow_exception(failure);
}

/** The error number behind an exception, for the manager's ERRNO=; 0 where there is none. */
int error_number(const std::exception& error)
{
    if (const auto* const system = dynamic_cast<const std::system_error*>(&error))
        return system->code().value();
    try {
        std::rethrow_if_nested(error);
    } catch (const std::exception& cause) {
        return error_number(cause);
    } catch (...) {
        return 0;
    }
    return 0;
}

} // namespace

std::vector<std::string> admin_specs(const CoreOptions& options, const KnownSockets& known)
{
    const std::string& name = options.admin_passed;
    const std::string spec = "fd:" + name;
    const bool has = std::ranges::find(known.passed, name) != known.passed.end() ||
                     std::ranges::find(known.listeners, spec) != known.listeners.end();
    return has && !name.empty() ? std::vector{spec} : options.admin_listen;
}

struct Core::Impl {
    Impl(CoreOptions o, std::optional<Handover> p);
    ~Impl() { threads.release_current(); }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    Impl(Impl&&) = delete;
    Impl& operator=(Impl&&) = delete;

    void take_stored(Service& service);
    void tell_of_wedges();
    /** From a started service to one that can be stopped. */
    asio::awaitable<void> live(Service& service);
    /** Tells why it cannot start. @return the exit code */
    ExitCode failed_to_start(ExitCode code, const std::exception& error);
    http::Response healthz() const;
    http::Response readyz() const;
    void set_timeouts(const Lifecycle::Timeouts& timeouts);

    CoreOptions options;
    std::optional<Handover> predecessor;       // until the service has started
    std::vector<signals::PassedSocket> passed; // those nobody took yet; what was stored goes to `store`
    asio::io_context main{1};
    signals::SignalQueue signals{main};
    Threads threads{Watchdog::wedge_limit(signals::watchdog_interval())};
    std::shared_ptr<Heartbeat> heartbeat = threads.adopt_current("main");
    Pulse pulse{main, *heartbeat};
    Metrics metrics;
    http::Router control_router;
    LogThread log;
    LeakReport leaks; // here: its census holds what is above and nothing of what is below
    NotifyThread notify{threads};
    signals::Manager manager = signals::detect_manager(::getenv);
    StopTimeoutCheck stop_timeout{threads, manager, ::getenv};
    DescriptorStore store{threads, notify, manager, ::getenv, signals::take_stored(passed)};
    Lifecycle lifecycle;
    std::string start_failure;              // for the manager's status; "" if there is none
    std::atomic<Service*> service{nullptr}; // from its start on
    std::optional<Admin> admin;             // until its thread is joined
    std::optional<Endpoints> endpoints;
    std::optional<Upgrade> upgrade;
};

Core::Impl::Impl(CoreOptions o, std::optional<Handover> p)
    : options(std::move(o)), predecessor(std::move(p)),
      passed(predecessor ? passed_sockets(*predecessor) : signals::take_passed_sockets()), log(threads, options.log),
      leaks(threads, log, passed, predecessor ? &*predecessor : nullptr),
      lifecycle(main, signals, threads, notify, {options.drain_timeout, options.kill_grace},
          WedgeNote{options.wedge_note}, [this] { log.stop(); })
{
    admin.emplace(threads, metrics, control_router,
        Admin::Probes{
            [this] { return healthz(); },
            [this] { return readyz(); },
            [this] { return debug_threads(threads.running(), Heartbeat::Clock::now()); },
        });
    endpoints.emplace(*admin, passed);
    upgrade.emplace(Upgrade::Parts{*admin, lifecycle, notify, metrics, leaks, passed, endpoints->admin_listeners()},
        Executable::of_this_process(), options.arguments);
    lifecycle.set_on_stop([this] { admin->announce_close(); });
    lifecycle.set_upgrade([this](bool insist) { return upgrade->perform(*service.load(), insist); });
    if (predecessor) {
        lifecycle.ping(); // exec is not to be mistaken for a hang
        try {
            metrics.resume(predecessor->document.at("metrics"));
        } catch (const std::exception& e) { // no reason to end with what else lives on
            log::error("counters begin anew", {{"error", e.what()}});
        }
    }
    metrics.add(core_metrics(options.version, lifecycle, threads));
    metrics.add(process_metrics());
    metrics.add([this](std::vector<prometheus::MetricFamily>& out) {
        out.push_back(counter_family("belay_log_dropped_total", "Log records dropped because the log was stuck.",
            {{{}, static_cast<double>(log.dropped())}}));
    });
    log::info("starting", {{"name", options.name}, {"version", options.version}, {"pid", ::getpid()},
                              {"manager", signals::to_string(manager)}});
    set_timeouts({options.drain_timeout, options.kill_grace});
}

void Core::Impl::set_timeouts(const Lifecycle::Timeouts& timeouts)
{
    lifecycle.set_timeouts(timeouts);
    stop_timeout.check(timeouts.whole_drain());
}

http::Response Core::Impl::healthz() const
{
    const auto now = Heartbeat::Clock::now();
    return daemon::healthz(threads.wedged(now), now);
}

http::Response Core::Impl::readyz() const
{
    Readiness answer = readiness(lifecycle.view().state, threads.running(), Heartbeat::Clock::now());
    if (answer.ready()) // else the service may be about to go
        answer.reasons = service.load()->readiness().reasons;
    return daemon::readyz(answer);
}

/** Gives the service what the process before this one left in the manager's store. */
void Core::Impl::take_stored(Service& running)
{
    std::optional<Handover> stored = store.take();
    auto* const restartable = dynamic_cast<Restartable*>(&running);
    if (!stored || restartable == nullptr)
        return;
    try {
        restartable->take_back(*stored);
    } catch (const std::exception& e) { // its document is another's
        log::error("cannot take over what was stored, ignoring", {{"error", e.what()}});
    }
}

void Core::Impl::tell_of_wedges()
{
    const Heartbeat::DiskWait wait;
    if (const auto wedges = WedgeNote{options.wedge_note}.take(); !predecessor)
        lifecycle.tell_of_wedges(wedges);
}

asio::awaitable<void> Core::Impl::live(Service& running)
{
    std::exception_ptr failure;
    try {
        co_await endpoints->open(options, predecessor ? &*predecessor : nullptr);
        for (const signals::PassedSocket& socket : passed)
            log::warning("nobody accepts on a passed socket", {{"name", socket.name}});
        if (predecessor)
            lifecycle.resume(predecessor->document.at("lifecycle"), "upgraded");
        predecessor.reset(); // what nobody took is closed
        take_stored(running);
    } catch (...) { // the service has started: it is drained as ever, and at once
        failure = std::current_exception();
        lifecycle.request_stop("cannot start");
        lifecycle.hurry();
    }
    co_await lifecycle.run(running);
    lifecycle.report_phase("control", "requests on the control socket");
    co_await admin->close_control(); // its routes reach into the service, which stops next
    if (failure)
        std::rethrow_exception(failure);
}

ExitCode Core::Impl::failed_to_start(ExitCode code, const std::exception& error)
{
    log::error("cannot start", {{"error", error.what()}, {"exit_code", static_cast<int>(code)}});
    start_failure = fmt::format("cannot start: {}", error.what());
    std::string message = lifecycle.view().state == State::draining ? "" : "STOPPING=1\n"; // once
    message += signals::status_assignment(start_failure) + fmt::format("\nEXIT_STATUS={}", static_cast<int>(code));
    if (const int number = error_number(error); number != 0)
        message += fmt::format("\nERRNO={}", number);
    notify.state(std::move(message));
    return code;
}

Core::Core(CoreOptions options, std::optional<Handover> predecessor)
{
    if (options.log.identifier.empty())
        options.log.identifier = options.name;
    prepare_stacks(); // before the first thread
    impl_ = std::make_unique<Impl>(std::move(options), std::move(predecessor));
}

Core::~Core() = default;

int Core::run(Service& service)
{
    Impl& core = *impl_;
    ExitCode start_code = ExitCode::clean;
    core.service = &service;
    try {
        service.start();
        core.tell_of_wedges();
        turn(core.main, core.live(service));
    } catch (const StartError& e) {
        start_code = core.failed_to_start(e.code(), e);
    } catch (const std::invalid_argument& e) { // a malformed admin listen
        start_code = core.failed_to_start(ExitCode::configuration, e);
    } catch (const std::system_error& e) {
        start_code = core.failed_to_start(ExitCode::unavailable, e);
    } catch (const std::exception& e) {
        start_code = core.failed_to_start(ExitCode::internal, e);
    }
    core.lifecycle.begin_stop(); // where it has not begun: a start that failed may hang, too
    core.lifecycle.report_phase("stop", "the service");
    service.stop();
    core.lifecycle.report_phase("threads", "the core's threads");
    turn(core.main, core.admin->close());
    core.admin.reset();
    core.stop_timeout.stop();
    if (!core.start_failure.empty())
        core.notify.status(core.start_failure); // stays in the manager's status, not what the stop waited for
    core.notify.stop(notify_patience);
    core.passed.clear();
    core.store.close();
    core.predecessor.reset();
    core.lifecycle.finish();

    const bool clean = core.leaks.check();
    ExitCode code = start_code != ExitCode::clean ? start_code : core.lifecycle.exit_code();
    if (code == ExitCode::clean && !clean && core.options.strict_leaks)
        code = ExitCode::internal;
    log::info("stopped", {{"exit_code", static_cast<int>(code)}});
    return static_cast<int>(code);
}

asio::io_context& Core::main_loop() noexcept
{
    return impl_->main;
}

asio::io_context& Core::admin_loop() noexcept
{
    return impl_->admin->io();
}

Threads& Core::threads() noexcept
{
    return impl_->threads;
}

Metrics& Core::metrics() noexcept
{
    return impl_->metrics;
}

http::Router& Core::control_router() noexcept
{
    return impl_->control_router;
}

Handover* Core::predecessor() noexcept
{
    return impl_->predecessor ? &*impl_->predecessor : nullptr;
}

std::set<pid_t> Core::strangers() const
{
    return impl_->leaks.strangers();
}

std::optional<signals::PassedSocket> Core::take_passed_socket(std::string_view name)
{
    return impl_->endpoints->take_passed_socket(name);
}

void Core::give_back_passed_socket(http::ListeningSocket socket)
{
    impl_->endpoints->give_back_passed_socket(std::move(socket));
}

std::vector<std::string> Core::passed_names() const
{
    return impl_->endpoints->passed_names();
}

DescriptorStore& Core::descriptor_store() noexcept
{
    return impl_->store;
}

asio::awaitable<bool> Core::successor_can_take_over()
{
    const auto* const service = dynamic_cast<Upgradable*>(impl_->service.load());
    if (service == nullptr)
        co_return true; // its question is nobody's to ask
    asio::awaitable<std::optional<std::string>> question = impl_->upgrade->ask(*service, successor_patience);
    const std::optional<std::string> no = co_await std::move(question);
    if (no)
        log::warning("the next process cannot take over connections, closing them", {{"error", *no}});
    co_return !no;
}

asio::awaitable<void> Core::close_admin_port()
{
    co_await impl_->admin->finish_port();
}

asio::awaitable<void> Core::apply(CoreOptions options)
{
    co_await impl_->endpoints->reconcile(options);
    impl_->log.set_level(options.log.level);
    impl_->set_timeouts({options.drain_timeout, options.kill_grace});
}

asio::awaitable<ReloadVerdict> Core::reload()
{
    asio::awaitable<ReloadVerdict> task = impl_->lifecycle.reload(Lifecycle::Scope::everything);
    co_return co_await run_on(impl_->main, std::move(task));
}

asio::awaitable<ReloadVerdict> Core::upgrade()
{
    asio::awaitable<ReloadVerdict> task = impl_->lifecycle.reload(Lifecycle::Scope::executable);
    co_return co_await run_on(impl_->main, std::move(task));
}

asio::awaitable<ReloadVerdict> Core::verdict_of_predecessor()
{
    co_return co_await run_on(impl_->main, impl_->lifecycle.left_verdict());
}

void Core::request_stop() noexcept
{
    asio::post(impl_->main, [&lifecycle = impl_->lifecycle] { lifecycle.request_stop("requested"); });
}

void Core::fail(ExitCode code, std::string reason) noexcept
{
    asio::post(impl_->main,
        [&lifecycle = impl_->lifecycle, code, reason = std::move(reason)] { lifecycle.fail(code, reason); });
}

State Core::state() const noexcept
{
    return impl_->lifecycle.view().state;
}

} // namespace belay::daemon
