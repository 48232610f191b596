#pragma once
#include "belayd/jobs/processes.hpp"
#include "belayd/jobs/scheduler.hpp"
#include "belayd/jobs/store_reader.hpp"
#include "daemon/loop_thread.hpp"
#include "tests/belayd/jobs/store_fixture.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace belay::jobs {

/** A scheduler on a loop of its own, with the real store. */
struct SchedulerTest : StoreFixture {
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::seconds patience{30};

    std::unique_ptr<daemon::LoopThread> runner = std::make_unique<daemon::LoopThread>(threads, "runner");
    std::unique_ptr<Scheduler> scheduler;
    std::unique_ptr<StoreReader> reader;
    SchedulerRules rules;

    SchedulerTest()
    {
        rules.max_jobs = 4;
        rules.kill_grace = std::chrono::minutes{1};
        rules.base_environment = {{"PATH", "/usr/bin:/bin"}, {"LANG", "C"}};
        rules.hooks["test"].backoff = std::chrono::milliseconds{1};
    }

    void TearDown() override
    {
        stop();
        reader.reset();
        store.reset();
        runner.reset();
        EXPECT_TRUE(children_of(::getpid()).empty()) << "a child is left";
    }

    void start()
    {
        scheduler = std::make_unique<Scheduler>(runner->io(), *store, metrics, rules);
        reader = std::make_unique<StoreReader>(threads, options.path);
        scheduler->start();
    }

    void stop()
    {
        if (!scheduler)
            return;
        await(ended(*scheduler));
        scheduler.reset();
    }

    static asio::awaitable<bool> ended(Scheduler& scheduler)
    {
        co_await scheduler.stop();
        co_return true;
    }

    static asio::awaitable<bool> drained(
        Scheduler& scheduler, Clock::time_point deadline, std::vector<std::size_t>& reports)
    {
        auto report = [&reports](std::size_t running) { reports.push_back(running); };
        co_await scheduler.drain(deadline, report);
        co_return true;
    }

    static asio::awaitable<bool> applied(Scheduler& scheduler, SchedulerRules rules)
    {
        co_await scheduler.apply(std::move(rules));
        co_return true;
    }

    Uuid queue(std::string script, const std::string& hook = "test")
    {
        NewEvent made = event(hook);
        made.arguments = {"/bin/sh", "-c", std::move(script)};
        return accept(std::move(made)).job;
    }

    [[nodiscard]] static bool until(const std::function<bool()>& condition) { return waits_until(condition); }

    [[nodiscard]] bool until_count(JobState state, std::uint64_t n)
    {
        return until([&] { return count(state) == n; });
    }

    /** Whether no attempt is left whose result is being stored. */
    [[nodiscard]] bool until_idle()
    {
        return until([&] { return scheduler->running_count() == 0; });
    }

    JobDetail detail(const Uuid& job) { return await(reader->job(job)).value(); }
    AttemptOutput output(const Uuid& job) { return await(reader->output(job, 0)).value(); }

    /** Whether the job has ended and its result is on its way to the store: while that is Locked. */
    bool until_storing(const Uuid& job)
    {
        return until([&] {
            try {
                (void)await(scheduler->live_output(job));
                return false;
            } catch (const StoreUnavailable&) {
                return true;
            }
        });
    }

    /** Whether the job runs and has written `text`. */
    bool until_written(const Uuid& job, const std::string& text)
    {
        return until([&] {
            const auto live = await(scheduler->live_output(job));
            return live && live->second.out.text.find(text) != std::string::npos;
        });
    }
};

} // namespace belay::jobs
