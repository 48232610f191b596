#pragma once
#include "belayd/api/routes.hpp"
#include "belayd/command_line.hpp"
#include "belayd/config/config.hpp"
#include "belayd/hooks/hook_table.hpp"
#include "belayd/ingress.hpp"
#include "belayd/jobs/handed_attempt.hpp"
#include "belayd/jobs/job_waits.hpp"
#include "belayd/jobs/scheduler.hpp"
#include "belayd/jobs/store.hpp"
#include "belayd/jobs/store_reader.hpp"
#include "belayd/listeners.hpp"
#include "belayd/password_thread.hpp"
#include "daemon/core.hpp"
#include "daemon/loop_thread.hpp"
#include "http/server.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace belay {

/**
 * The composition root: owns every part of belayd and says in which order they start, change and stop.
 *
 * Lifetime: constructed before and destroyed after Core::run().  Threads: as daemon::Service says.
 */
class Belayd final : public daemon::Service, public daemon::Upgradable, public daemon::Restartable {
public:
    /** Builds everything that cannot fail, starts nothing. */
    Belayd(daemon::Core& core, CommandLine command_line, config::Config config,
        std::shared_ptr<const hooks::HookTable> hooks);
    ~Belayd() override;
    Belayd(const Belayd&) = delete;
    Belayd& operator=(const Belayd&) = delete;
    Belayd(Belayd&&) = delete;
    Belayd& operator=(Belayd&&) = delete;

    void start() override;
    asio::awaitable<daemon::ReloadVerdict> reload() override;
    asio::awaitable<void> drain(daemon::DrainContext& drain) override;
    void stop() noexcept override;
    [[nodiscard]] std::vector<std::string> question() const override;
    asio::awaitable<std::optional<std::string>> settle(std::chrono::steady_clock::time_point deadline) override;
    asio::awaitable<std::optional<std::string>> freeze(
        daemon::Handover& out, std::chrono::steady_clock::time_point deadline) override;
    asio::awaitable<void> thaw(daemon::Handover& in) override;
    void take_back(daemon::Handover& stored) override;
    [[nodiscard]] daemon::Readiness readiness() const override;
    [[nodiscard]] std::string status() const override;

private:
    struct Candidate; // a configuration that is good, with what it needs already opened

    void open_state(const std::vector<jobs::HandedAttempt>& attempts);
    void take_locks(daemon::Handover& from);
    void start_jobs();
    [[nodiscard]] std::unique_ptr<jobs::Scheduler> make_scheduler();
    void start_ingress();
    void resume(http::HandedServer handed, const std::vector<std::string>& specs);
    void listen(std::vector<http::ListeningSocket> sockets);
    void stop_listening(const std::vector<std::string>& names);
    void publish();
    [[nodiscard]] asio::awaitable<void> withdraw();

    [[nodiscard]] Candidate prepare(const config::Config& current) const;
    [[nodiscard]] asio::awaitable<void> adopt(Candidate candidate);

    static void report_task_error(std::string_view task, const std::exception_ptr& error);

    // in belayd_drain.cpp, as drain() and take_back():
    [[nodiscard]] asio::awaitable<void> wait_for_drain_delay(daemon::DrainContext& drain);
    [[nodiscard]] asio::awaitable<bool> can_leave_connections();
    [[nodiscard]] asio::awaitable<void> rest_store(const daemon::DrainContext& drain);
    [[nodiscard]] asio::awaitable<void> report_connections(daemon::DrainContext& drain);
    [[nodiscard]] asio::awaitable<void> forward_hurry(daemon::DrainContext& drain);
    [[nodiscard]] asio::awaitable<void> store_connections(std::chrono::steady_clock::time_point deadline);

    [[nodiscard]] asio::awaitable<void> shut_down();

    // In dependency order: what stands lower borrows what stands higher.
    daemon::Core& core_;
    const CommandLine command_line_;
    config::Config config_;
    std::shared_ptr<const hooks::HookTable> hooks_;
    std::atomic<std::size_t> hook_count_;
    std::atomic<bool> started_{false}; // publishes what stands below to readiness() and status()
    std::string boot_id_;              // of this daemon's life, upgrades included
    std::optional<jobs::StateLock> lock_;
    std::optional<jobs::StateLock> store_lock_;
    jobs::JobWaits waits_;
    std::unique_ptr<jobs::Store> store_;
    std::unique_ptr<jobs::StoreReader> reader_;
    std::unique_ptr<daemon::LoopThread> runner_loop_;
    std::vector<std::unique_ptr<jobs::Scheduler>> frozen_schedulers_; // of upgrades that did not come about
    std::unique_ptr<jobs::Scheduler> scheduler_;
    std::vector<std::unique_ptr<daemon::LoopThread>> http_loops_;
    std::unique_ptr<http::BodyBudget> bodies_;
    std::unique_ptr<hooks::RateLimiter> limiter_;
    std::unique_ptr<PasswordThread> passwords_;
    std::unique_ptr<Ingress> ingress_;
    http::Router router_;
    std::unique_ptr<http::Server> server_;
    std::size_t connection_metrics_ = 0; // handle of the collector that reads server_
    api::Sources api_;                   // touched on the admin loop only, once it runs
};

} // namespace belay
