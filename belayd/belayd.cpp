#include "belayd/belayd.hpp"

#include "base/cpu_share.hpp"
#include "base/failpoint.hpp"
#include "base/run_on.hpp"
#include "base/task_group.hpp"
#include "belayd/derived.hpp"
#include "belayd/hooks/load.hpp"
#include "belayd/jobs/attempt_files.hpp"
#include "daemon/handed_server.hpp"
#include "daemon/http_metrics.hpp"
#include "daemon/log.hpp"
#include "http/middleware.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <map>
#include <set>
#include <source_location>
#include <system_error>

namespace belay {
namespace {

using namespace std::chrono_literals;

/** The store's time to come to rest at least, so that it is not blamed where others have used up the time. */
constexpr auto least_rest_time = 100ms;

void create_state_dir(const std::string& path)
{
    std::error_code ec;
    std::filesystem::create_directories(std::filesystem::path{path}.parent_path(), ec); // what exists is no error
    if (::mkdir(path.c_str(), S_IRWXU) != 0 && errno != EEXIST)
        throw daemon::StartError{daemon::ExitCode::unavailable,
            fmt::format("cannot create the state directory {}: {}", path, std::generic_category().message(errno))};
}

/** By job and number. */
std::set<std::pair<Uuid, unsigned>> ids_of(const std::vector<jobs::HandedAttempt>& attempts)
{
    std::set<std::pair<Uuid, unsigned>> ids;
    for (const auto& attempt : attempts)
        ids.emplace(attempt.job.job, attempt.job.attempt);
    return ids;
}

http::Middleware middleware_of(daemon::Core& core, const Ingress& ingress)
{
    const auto report = [](const http::Request& request, std::string_view what) {
        log::error("handler failed", {{"request", request.id}, {"route", request.route}, {"error", what}});
    };
    return {.steps = {http::assign_id, http::assign_trace,
                [&ingress](http::Request& request) { ingress.name_client(request); },
                [&ingress](http::Request& request) { ingress.count_rejection(request); }},
        .observers = {daemon::access_log("ingress"), daemon::http_metrics(core.metrics(), "ingress")},
        .on_exception = report};
}

/** With what the buckets of a predecessor have left.  Where they cannot be read, it is better to start without. */
std::unique_ptr<hooks::RateLimiter> make_limiter(const daemon::Handover* predecessor)
{
    if (predecessor != nullptr && predecessor->document.contains("rate_limits")) {
        try {
            return std::make_unique<hooks::RateLimiter>(predecessor->document.at("rate_limits"));
        } catch (const std::exception& e) {
            log::warning("rate limits begin with full buckets: those of the predecessor cannot be read, ignoring",
                {{"error", e.what()}});
        }
    }
    return std::make_unique<hooks::RateLimiter>();
}

/** Those of `present` that are not `wanted`. */
std::vector<std::string> superfluous(std::vector<std::string> present, const std::vector<std::string>& wanted)
{
    std::erase_if(
        present, [&wanted](const std::string& name) { return std::ranges::find(wanted, name) != wanted.end(); });
    return present;
}

std::string join_diagnostics(const std::vector<config::Diagnostic>& diagnostics)
{
    std::string text;
    for (const auto& diagnostic : diagnostics)
        text += (text.empty() ? "" : "\n") + config::format(diagnostic);
    return text;
}

} // namespace

struct Belayd::Candidate {
    config::Config config;
    std::shared_ptr<const hooks::HookTable> hooks;
    std::vector<http::ListeningSocket> opened;
    std::vector<std::string> listen;  // all specs
    std::vector<std::string> removed; // those that go
    std::map<std::string, jobs::HookRules> old_rules;
};

Belayd::Belayd(
    daemon::Core& core, CommandLine command_line, config::Config config, std::shared_ptr<const hooks::HookTable> hooks)
    : core_(core), command_line_(std::move(command_line)), config_(std::move(config)), hooks_(std::move(hooks)),
      hook_count_(hooks_->size())
{
    api::add_routes(core_.control_router(), api_);
}

Belayd::~Belayd() = default;

void Belayd::report_task_error(std::string_view task, const std::exception_ptr& error)
{
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        log::error("task failed", {{"task", task}, {"error", e.what()}});
    }
}

void Belayd::start()
{
    std::vector<jobs::HandedAttempt> attempts;
    if (daemon::Handover* const predecessor = core_.predecessor())
        attempts = jobs::take_attempts(predecessor->document.at("attempts"), *predecessor);
    open_state(attempts);
    failpoint("start.store_open");
    start_jobs();
    start_ingress();
    failpoint("start.listening");
    publish();
    scheduler_->start(std::move(attempts));
}

void Belayd::open_state(const std::vector<jobs::HandedAttempt>& attempts)
{
    const daemon::Heartbeat::DiskWait wait; // recovery may read the whole log
    create_state_dir(config_.state_dir);
    std::optional<jobs::ResumedStore> resumed;
    if (daemon::Handover* const predecessor = core_.predecessor()) {
        resumed = {ids_of(attempts), jobs::handed_counts(predecessor->document.at("job_counts"))};
        boot_id_ = predecessor->document.at("boot_id").as_string();
        take_locks(*predecessor);
    } else {
        boot_id_ = to_string(make_uuid_v7());
        lock_ = jobs::StateLock::of_directory(config_.state_dir);
        store_lock_ = jobs::StateLock::of_store(store_path(config_));
    }
    jobs::remove_left_files(files_directory(config_), ids_of(attempts));
    store_ = std::make_unique<jobs::Store>(core_.threads(), core_.metrics(),
        jobs::StoreOptions{.path = store_path(config_),
            .retention = config_.retention,
            .free_space_floor = config_.free_space_floor,
            .boot_id = boot_id_,
            .resumed = std::move(resumed)},
        [this](std::string reason) { core_.fail(daemon::ExitCode::unavailable, std::move(reason)); });
    store_->on_ended([this](const std::vector<Uuid>& jobs) { waits_.ended(jobs); });
    reader_ = std::make_unique<jobs::StoreReader>(core_.threads(), store_path(config_));
}

void Belayd::take_locks(daemon::Handover& from)
{
    lock_.emplace(from.take(from.document.at("lock")));
    store_lock_.emplace(from.take(from.document.at("store_lock")));
}

void Belayd::start_jobs()
{
    runner_loop_ = std::make_unique<daemon::LoopThread>(core_.threads(), "runner", std::source_location::current());
    scheduler_ = make_scheduler();
}

std::unique_ptr<jobs::Scheduler> Belayd::make_scheduler()
{
    return std::make_unique<jobs::Scheduler>(
        runner_loop_->io(), *store_, core_.metrics(), scheduler_rules(config_), core_.strangers());
}

void Belayd::start_ingress()
{
    // Before threads: what cannot be had should be said before anything runs.
    http::HandedServer handed;
    if (daemon::Handover* const predecessor = core_.predecessor())
        handed = daemon::handed_server(predecessor->document.at("ingress"), *predecessor);
    std::vector<std::string> present;
    for (const auto& socket : handed.listeners)
        present.push_back(socket.name);
    const daemon::KnownSockets known{present, core_.passed_names()};
    const auto specs = ingress_specs(config_, known);
    std::vector<http::ListeningSocket> sockets;
    try {
        sockets = open_listeners(specs, known);
    } catch (const daemon::StartError& e) {
        if (present.empty())
            throw;
        log::error("cannot listen, going on with what there is", {{"error", e.what()}}); // jobs live on: do not exit
    }
    std::ranges::move(take_passed_listeners(specs, present, core_), std::back_inserter(sockets));
    const unsigned threads = config_.http_threads != 0 ? config_.http_threads : cpu_share().threads();
    std::vector<asio::io_context*> loops;
    for (unsigned i = 0; i < threads; ++i) {
        http_loops_.push_back(std::make_unique<daemon::LoopThread>(
            core_.threads(), fmt::format("http-{}", i), std::source_location::current()));
        loops.push_back(&http_loops_.back()->io());
    }
    bodies_ = std::make_unique<http::BodyBudget>(config_.body_memory);
    limiter_ = make_limiter(core_.predecessor());
    passwords_ = std::make_unique<PasswordThread>(core_.threads());
    ingress_ = std::make_unique<Ingress>(Ingress::Parts{.loops = loops,
                                             .store = *store_,
                                             .ends = {*reader_, waits_},
                                             .limiter = *limiter_,
                                             .passwords = *passwords_,
                                             .metrics = core_.metrics()},
        hooks_, config_.trusted_proxies);
    ingress_->add_routes(router_);
    server_ = std::make_unique<http::Server>(http::Server::Options{.name = "ingress",
        .loops = std::move(loops),
        .control = core_.main_loop().get_executor(),
        .router = &router_,
        .handler = router_.dispatcher(),
        .middleware = middleware_of(core_, *ingress_),
        .bodies = bodies_.get(),
        .limits = config_.ingress_limits,
        .on_warning = [](std::string_view what) { log::warning(what, {{"server", "ingress"}}); }});
    connection_metrics_ = core_.metrics().add(daemon::connection_metrics(*server_, "ingress"));
    resume(std::move(handed), specs);
    listen(std::move(sockets));
}

/** Takes over what a predecessor listened on; what the configuration no longer has goes as by a reload. */
void Belayd::resume(http::HandedServer handed, const std::vector<std::string>& specs)
{
    server_->resume(std::move(handed));
    stop_listening(superfluous(server_->listeners(), specs));
}

void Belayd::listen(std::vector<http::ListeningSocket> sockets)
{
    for (auto& socket : sockets) {
        const std::string name = socket.name;
        server_->add_listener(std::move(socket));
        log::info("listening", {{"server", "ingress"}, {"listener", name}, {"address", server_->bound_address(name)}});
    }
}

void Belayd::stop_listening(const std::vector<std::string>& names)
{
    for (const auto& name : names)
        for (auto& passed : server_->remove_listener(name))
            core_.give_back_passed_socket(std::move(passed));
}

/** The API answers 503 outside the time between publish() and withdraw(). */
void Belayd::publish()
{
    started_.store(true, std::memory_order_release);
    api::Sources sources{.core = &core_,
        .store = store_.get(),
        .reader = reader_.get(),
        .scheduler = scheduler_.get(),
        .state_dir = config_.state_dir,
        .config_file = config_.file,
        .version = core_options(config_, command_line_).version,
        .status = [this] { return status(); },
        .readiness = [this] { return readiness(); }};
    asio::post(core_.admin_loop(), [this, sources = std::move(sources)]() mutable { api_ = std::move(sources); });
}

/** Runs on the admin loop: when it has, nothing there looks at the store or the scheduler any more. */
asio::awaitable<void> Belayd::withdraw()
{
    started_.store(false, std::memory_order_release);
    api_ = {};
    co_return;
}

Belayd::Candidate Belayd::prepare(const config::Config& current) const
{
    Candidate candidate;
    const daemon::Heartbeat::DiskWait wait; // the files, those of the secrets, and the names of hosts to listen on
    candidate.config = hooks::load_config(command_line_.config);
    candidate.hooks = std::make_shared<const hooks::HookTable>(candidate.config);
    if (auto changes = config::unreloadable_changes(current, candidate.config); !changes.empty())
        throw config::ConfigError{std::move(changes)};
    const auto present = server_->listeners();
    candidate.old_rules = scheduler_rules(current).hooks;
    const daemon::KnownSockets known{present, core_.passed_names()};
    candidate.listen = ingress_specs(candidate.config, known);
    candidate.opened = open_listeners(candidate.listen, known);
    candidate.removed = superfluous(present, candidate.listen);
    return candidate;
}

asio::awaitable<daemon::ReloadVerdict> Belayd::reload()
{
    daemon::ReloadVerdict verdict;
    try {
        Candidate candidate = prepare(config_);
        // Last thing that can fail, and it does so without having changed anything.
        co_await core_.apply(core_options(candidate.config, command_line_));
        co_await adopt(std::move(candidate));
        verdict.message = fmt::format("configuration reloaded: {} hooks", hooks_->size());
    } catch (const config::ConfigError& e) {
        verdict = {false, join_diagnostics(e.diagnostics())};
    } catch (const std::exception& e) { // a listener that cannot be had
        verdict = {false, e.what()};
    }
    co_return verdict;
}

asio::awaitable<void> Belayd::adopt(Candidate candidate)
{
    config_ = std::move(candidate.config);
    hooks_ = candidate.hooks;
    hook_count_ = hooks_->size();
    store_->reconfigure(config_.retention, config_.free_space_floor);
    server_->set_limits(config_.ingress_limits);
    bodies_->set_limit(config_.body_memory);
    listen(take_passed_listeners(candidate.listen, server_->listeners(), core_));
    listen(std::move(candidate.opened));
    // While the http loops change over one by one, events of old and of new hooks come in: the scheduler knows both.
    jobs::SchedulerRules rules = scheduler_rules(config_);
    jobs::SchedulerRules both = rules;
    both.hooks.merge(std::move(candidate.old_rules));
    co_await scheduler_->apply(std::move(both));
    co_await ingress_->replace(hooks_, config_.trusted_proxies);
    co_await scheduler_->apply(std::move(rules));
    stop_listening(candidate.removed);
}

/** What cannot change while jobs and the lock live on, and what need not be opened. */
std::vector<std::string> Belayd::question() const
{
    std::vector<std::string> question{
        "--running-state-dir=" + config_.state_dir, "--running-store=" + store_path(config_)};
    for (const std::string& listener : server_->listeners())
        question.push_back("--running-listener=" + listener);
    return question;
}

/** A checkpoint that has begun, say, or a password. */
asio::awaitable<std::optional<std::string>> Belayd::settle(std::chrono::steady_clock::time_point deadline)
{
    std::optional<std::string> trouble;
    try {
        (void)co_await store_->freeze(deadline);
    } catch (const jobs::StoreUnavailable& e) {
        trouble = e.what();
    }
    if (!trouble)
        co_await passwords_->rest(); // who waits for it is left to the successor: freeze() comes now, or thaw()
    failpoint("upgrade.settled");
    co_return trouble;
}

asio::awaitable<std::optional<std::string>> Belayd::freeze(
    daemon::Handover& out, std::chrono::steady_clock::time_point deadline)
{
    std::optional<std::string> trouble;
    waits_.release(); // they get their 202 now
    try {
        std::optional<http::HandedServer> ingress = co_await server_->freeze(deadline);
        if (!ingress)
            throw std::runtime_error{
                "a request, or a handshake on a removed listener, was still being waited for when it was time"};
        out.document["ingress"] = daemon::to_json(std::move(*ingress), out);
        out.document["rate_limits"] = limiter_->to_json(std::chrono::steady_clock::now());
        failpoint("upgrade.ingress_frozen");
        std::vector<jobs::HandedAttempt> attempts = co_await scheduler_->freeze(deadline);
        out.document["attempts"] = jobs::give_attempts(std::move(attempts), out);
        failpoint("upgrade.jobs_frozen");
        const auto rest_deadline = std::max(deadline, std::chrono::steady_clock::now() + least_rest_time);
        const jobs::JobCounts::ByHook counts = co_await store_->freeze(rest_deadline);
        out.document["job_counts"] = jobs::to_json(counts);
        out.document["boot_id"] = boot_id_;
        out.document["lock"] = out.give(lock_->release());
        out.document["store_lock"] = out.give(store_lock_->release());
    } catch (const std::runtime_error& e) {
        trouble = e.what();
    }
    if (trouble) {
        failpoint("upgrade.given_up");
        co_await thaw(out);
    }
    co_return trouble;
}

/** As far as it got. */
asio::awaitable<void> Belayd::thaw(daemon::Handover& in)
{
    waits_.open();
    passwords_->go_on();
    store_->thaw();
    if (in.document.contains("lock"))
        take_locks(in);
    if (in.document.contains("attempts")) {
        std::vector<jobs::HandedAttempt> attempts = jobs::take_attempts(in.document.at("attempts"), in);
        asio::awaitable<void> withdrawal = withdraw(); // from the API, which looks at the scheduler
        co_await run_on(core_.admin_loop(), std::move(withdrawal));
        frozen_schedulers_.push_back(std::move(scheduler_)); // an API request may still be looking at it
        scheduler_ = make_scheduler();
        scheduler_->start(std::move(attempts));
        publish();
    }
    if (in.document.contains("ingress"))
        server_->resume(daemon::handed_server(in.document.at("ingress"), in));
    co_await server_->resume_left();
}

void Belayd::stop() noexcept
{
    bool done = false;
    asio::co_spawn(core_.main_loop(), shut_down(), [&done](const std::exception_ptr& error) {
        if (error)
            report_task_error("shut down", error);
        done = true;
    });
    core_.main_loop().restart();
    while (!done)
        core_.main_loop().run_one();

    // The threads of the store first: they may still be in a post() to a loop.
    if (reader_)
        reader_->close();
    if (store_)
        store_->close();
    if (server_)
        core_.metrics().remove(connection_metrics_);
    server_.reset();
    ingress_.reset();
    passwords_.reset();
    limiter_.reset();
    http_loops_.clear();
    scheduler_.reset();
    frozen_schedulers_.clear();
    runner_loop_.reset();
    reader_.reset();
    store_.reset();
    store_lock_.reset();
    lock_.reset();
}

asio::awaitable<void> Belayd::shut_down()
{
    asio::awaitable<void> withdrawal = withdraw();
    co_await run_on(core_.admin_loop(), std::move(withdrawal));
    if (server_)
        co_await server_->close();
    if (scheduler_)
        co_await scheduler_->stop();
}

daemon::Readiness Belayd::readiness() const
{
    if (!started_.load(std::memory_order_acquire))
        return {{"starting"}};
    if (std::string why = store_->unavailable(); !why.empty())
        return {{std::move(why)}};
    return {};
}

std::string Belayd::status() const
{
    if (!started_.load(std::memory_order_acquire))
        return "starting";
    const auto counts = store_->counts();
    return fmt::format("{} hooks, {} jobs running, {} queued", hook_count_.load(), scheduler_->running_count(),
        counts[static_cast<std::size_t>(jobs::JobState::queued)]);
}

} // namespace belay
