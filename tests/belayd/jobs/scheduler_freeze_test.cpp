// Schedulers that hand over what runs to the next.
#include "belayd/jobs/handed_attempt.hpp"
#include "tests/belayd/jobs/scheduler_fixture.hpp"

#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>

namespace belay::jobs {
namespace {

using namespace std::chrono_literals;

struct SchedulerFreezeTest : SchedulerTest {
    using Handed = std::vector<HandedAttempt>;

    /** Ends the scheduler and its loop, as the process image before execve does. */
    Handed freeze()
    {
        Handed handed = await(scheduler->freeze());
        scheduler.reset();
        runner.reset();
        return handed;
    }

    /** What the next image does. */
    void resume(Handed handed)
    {
        runner = std::make_unique<daemon::LoopThread>(threads, "runner");
        scheduler = std::make_unique<Scheduler>(runner->io(), *store, metrics, rules);
        scheduler->start(std::move(handed));
    }

    [[nodiscard]] std::string path(const std::string& name) const { return (directory.path() / name).string(); }
    void make(const std::string& name) const { std::ofstream{path(name)}; }

    /** A script that says "ready", waits until make(name), and goes on with `then`. */
    [[nodiscard]] std::string waiting(const std::string& name, const std::string& then) const
    {
        return "echo ready; while [ ! -e " + path(name) + " ]; do sleep 0.01; done; " + then;
    }

    Uuid queue_and_wait(const std::string& script, const std::string& hook = "test")
    {
        const Uuid job = queue(script, hook);
        EXPECT_TRUE(until_written(job, "ready"));
        return job;
    }

    [[nodiscard]] double value(const std::string& name)
    {
        const std::string text = metrics.text();
        const auto at = text.find("\n" + name + " ");
        return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
    }
};

TEST_F(SchedulerFreezeTest, WhatRunsGoesOnAndEndsAsItWould)
{
    start();
    const Uuid good = queue_and_wait(waiting("go", "echo done"));
    const Uuid bad = queue_and_wait(waiting("go", "exit 3"));
    const auto before = await(scheduler->running());
    Handed handed = freeze();
    EXPECT_EQ(handed.size(), 2u);
    EXPECT_EQ(value(R"(belay_jobs_running{hook="test"})"), 0);
    EXPECT_EQ(count(JobState::running), 2u);

    resume(std::move(handed));
    const auto after = await(scheduler->running());
    ASSERT_EQ(after.size(), 2u);
    for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(after[i].job, before[i].job);
        EXPECT_EQ(after[i].hook, "test");
        EXPECT_EQ(after[i].attempt, 1u);
        EXPECT_LE(after[i].started, now());
    }
    EXPECT_EQ(scheduler->running_count(), 2u);
    EXPECT_EQ(value(R"(belay_jobs_running{hook="test"})"), 2);
    make("go");
    ASSERT_TRUE(until_count(JobState::succeeded, 1));
    ASSERT_TRUE(until_count(JobState::failed, 1));
    EXPECT_EQ(output(good).out.text, "ready\ndone\n");
    EXPECT_EQ(detail(bad).summary.reason, "attempt 1 of 1: exit status 3");
    EXPECT_EQ(detail(good).attempts.size(), 1u);
    EXPECT_TRUE(until_idle());
    EXPECT_EQ(value(R"(belay_jobs_running{hook="test"})"), 0);
    EXPECT_EQ(value(R"(belay_attempts_total{hook="test",outcome="succeeded"})"), 1);
    EXPECT_EQ(value(R"(belay_queue_wait_seconds_count{hook="test"})"), 2) << "waited once each";
}

TEST_F(SchedulerFreezeTest, MayHappenAgainAtOnce)
{
    start();
    const Uuid job = queue_and_wait(waiting("go", "echo done"));
    for (int i = 0; i < 5; ++i)
        resume(freeze());
    make("go");
    ASSERT_TRUE(until_count(JobState::succeeded, 1));
    EXPECT_EQ(output(job).out.text, "ready\ndone\n");
}

TEST_F(SchedulerFreezeTest, TwoHundredAttemptsChangeHandsWithoutALoss)
{
    const auto descriptors = [] {
        return std::distance(
            std::filesystem::directory_iterator{"/proc/self/fd"}, std::filesystem::directory_iterator{});
    };
    constexpr std::size_t jobs = 200;
    rules.max_jobs = jobs;
    start();
    queue("true");
    ASSERT_TRUE(until_count(JobState::succeeded, 1));
    ASSERT_TRUE(until_idle());
    const auto before = descriptors();
    std::vector<NewEvent> events;
    for (std::size_t i = 0; i < jobs; ++i) {
        events.push_back(event("test"));
        events.back().arguments = {"/bin/sh", "-c", waiting("go", "echo done")};
    }
    accept_all(std::move(events));
    ASSERT_TRUE(until_count(JobState::running, jobs));
    ASSERT_TRUE(until([&] { return scheduler->running_count() == jobs; }));
    Handed handed = freeze();
    EXPECT_EQ(handed.size(), jobs);
    std::vector<Uuid> ids;
    for (const HandedAttempt& attempt : handed)
        ids.push_back(attempt.job.job);
    make("go"); // many end while nobody has them
    resume(std::move(handed));
    ASSERT_TRUE(until_count(JobState::succeeded, jobs + 1));
    for (const Uuid& job : ids) {
        EXPECT_EQ(output(job).out.text, "ready\ndone\n");
        EXPECT_EQ(detail(job).attempts.size(), 1u);
    }
    ASSERT_TRUE(until_idle());
    EXPECT_TRUE(until([&] { return descriptors() == before; })) << descriptors() << " were " << before;
}

TEST_F(SchedulerFreezeTest, ClaimsAndResultsOnTheirWayAreWaitedFor)
{
    rules.max_jobs = 3;
    start();
    constexpr int rounds = 60;
    for (int round = 0; round < rounds; ++round) {
        std::vector<NewEvent> events;
        for (int i = 0; i < 5; ++i) {
            events.push_back(event("test"));
            events.back().arguments = {"/bin/true"};
        }
        accept_all(std::move(events));
        Handed handed = await(scheduler->freeze());
        EXPECT_EQ(count(JobState::running), handed.size());
        scheduler = std::make_unique<Scheduler>(runner->io(), *store, metrics, rules);
        scheduler->start(std::move(handed));
    }
    ASSERT_TRUE(until_count(JobState::succeeded, 5 * rounds));
    EXPECT_EQ(query("SELECT count(*) FROM attempts WHERE outcome NOT IN ('succeeded', 'interrupted')"), "0");
    EXPECT_EQ(query("SELECT count(*) FROM attempts WHERE outcome = 'succeeded'"), std::to_string(5 * rounds));
}

TEST_F(SchedulerFreezeTest, NothingRunsAfterwards)
{
    start();
    queue_and_wait(waiting("go", "true"));
    Handed handed = await(scheduler->freeze());
    queue("true");
    await(ended(*scheduler)); // neither ends the attempt nor takes its children for strays
    ASSERT_EQ(handed.size(), 1u);
    EXPECT_FALSE(handed[0].run.child.ended());
    EXPECT_EQ(scheduler->running_count(), 0u);
    scheduler.reset();
    EXPECT_EQ(count(JobState::queued), 1u);
    EXPECT_EQ(count(JobState::running), 1u);
    make("go");
    resume(std::move(handed));
    EXPECT_TRUE(until_count(JobState::succeeded, 2)) << "what was queued meanwhile is claimed";
}

TEST_F(SchedulerFreezeTest, ResumedAttemptsUseTheirSlots)
{
    rules.max_jobs = 2;
    rules.hooks["narrow"].concurrency = 1;
    start();
    queue_and_wait(waiting("go-narrow", "true"), "narrow");
    resume(freeze());
    const Uuid narrow = queue("true", "narrow");
    queue("true");
    ASSERT_TRUE(until_count(JobState::succeeded, 1)) << "there is a slot for another hook";
    EXPECT_EQ(detail(narrow).summary.state, JobState::queued);
    queue_and_wait(waiting("go-wide", "true"));
    rules.max_jobs = 1; // fewer than run
    resume(freeze());
    queue("true");
    EXPECT_EQ(scheduler->running_count(), 2u);
    make("go-narrow");
    ASSERT_TRUE(until_count(JobState::succeeded, 2));
    EXPECT_EQ(count(JobState::queued), 2u) << "the slot is used by the other one";
    make("go-wide");
    EXPECT_TRUE(until_count(JobState::succeeded, 5));
}

TEST_F(SchedulerFreezeTest, TheHookOfAResumedAttemptMayBeGone)
{
    rules.hooks["gone"].attempts = 3;
    start();
    const Uuid good = queue_and_wait(waiting("go", "true"), "gone");
    const Uuid bad = queue_and_wait(waiting("go", "exit 1"), "gone");
    Handed handed = freeze();
    rules.hooks.erase("gone");
    resume(std::move(handed));
    make("go");
    ASSERT_TRUE(until_count(JobState::succeeded, 1));
    ASSERT_TRUE(until_count(JobState::cancelled, 1));
    EXPECT_EQ(detail(good).summary.state, JobState::succeeded);
    EXPECT_EQ(detail(bad).summary.reason, "hook no longer configured");
}

TEST_F(SchedulerFreezeTest, AResumedAttemptIsRetriedByThePresentRules)
{
    start();
    const Uuid job = queue_and_wait(waiting("go", R"([ "$BELAY_ATTEMPT" = 2 ])"));
    Handed handed = freeze();
    rules.hooks["test"].attempts = 2;
    resume(std::move(handed));
    make("go");
    ASSERT_TRUE(until_count(JobState::succeeded, 1));
    EXPECT_EQ(detail(job).attempts.size(), 2u);
}

TEST_F(SchedulerFreezeTest, AResumedAttemptCanBeWatchedAndCancelled)
{
    start();
    const Uuid job = queue_and_wait(waiting("go", "echo more; exec sleep 1000"));
    resume(freeze());
    make("go");
    ASSERT_TRUE(until_written(job, "ready\nmore\n"));
    EXPECT_EQ(await(scheduler->cancel(job)), JobState::running);
    ASSERT_TRUE(until_count(JobState::cancelled, 1));
    EXPECT_EQ(detail(job).attempts[0].outcome, Outcome::signalled);
}

TEST_F(SchedulerFreezeTest, WhatWasCancelledBeforeStaysSo)
{
    rules.hooks["test"].attempts = 5;
    start();
    const Uuid job = queue_and_wait("trap 'echo trapped; sleep 0.01; exec >&-' TERM; " + waiting("go", "exit 1"));
    EXPECT_EQ(await(scheduler->cancel(job)), JobState::running);
    ASSERT_TRUE(until_written(job, "trapped"));
    Handed handed = freeze();
    ASSERT_EQ(handed.size(), 1u);
    EXPECT_TRUE(handed[0].cancelled);
    resume(std::move(handed));
    make("go");
    ASSERT_TRUE(until_count(JobState::cancelled, 1));
    EXPECT_EQ(detail(job).summary.reason, "cancelled");
}

TEST_F(SchedulerFreezeTest, ADrainEndsAResumedAttempt)
{
    start();
    const Uuid job = queue_and_wait("exec sh -c 'echo ready; exec sleep 1000'");
    resume(freeze());
    std::vector<std::size_t> reports;
    await(drained(*scheduler, Clock::now(), reports));
    EXPECT_EQ(reports, std::vector<std::size_t>{1});
    EXPECT_EQ(count(JobState::queued), 1u);
    EXPECT_EQ(detail(job).attempts.at(0).outcome, Outcome::interrupted);
}

TEST_F(SchedulerFreezeTest, WithoutItsResultsStoredInTimeItGoesOn)
{
    start();
    const Uuid lasting = queue_and_wait(waiting("go-on", "echo done"));
    const Uuid ending = queue_and_wait(waiting("go", "true"));
    scheduler->pause(); // no claim either: nothing but the result is on its way
    {
        const Locked lock{options.path};
        make("go");
        ASSERT_TRUE(until_storing(ending));
        EXPECT_THROW(await(scheduler->freeze(Clock::now())), std::runtime_error);
        EXPECT_THROW(await(scheduler->freeze(Clock::now() + 50ms)), std::runtime_error);
        EXPECT_EQ(scheduler->running_count(), 2u);
        EXPECT_TRUE(until_written(lasting, "ready"));
    }
    ASSERT_TRUE(until_count(JobState::succeeded, 1));
    resume(freeze());
    make("go-on");
    ASSERT_TRUE(until_count(JobState::succeeded, 2));
    EXPECT_EQ(output(lasting).out.text, "ready\ndone\n");
    EXPECT_EQ(detail(ending).attempts.size(), 1u);
}

TEST_F(SchedulerFreezeTest, WithoutItsClaimAnsweredInTimeItGoesOn)
{
    start();
    const Uuid job = queue_and_wait(waiting("go", "true"));
    {
        const Locked lock{options.path};
        make("go");
        ASSERT_TRUE(until_storing(job)); // a free slot: jobs are looked for
        EXPECT_THROW(await(scheduler->freeze(Clock::now() + 50ms)), std::runtime_error);
    }
    ASSERT_TRUE(until_count(JobState::succeeded, 1));
    queue("true");
    EXPECT_TRUE(until_count(JobState::succeeded, 2)) << "it claims again";
}

TEST_F(SchedulerFreezeTest, WhileTheStoreIsStillCancellingItGoesOn)
{
    const Uuid job = queue("true", "gone");
    {
        const Locked lock{options.path};
        start(); // which begins by cancelling what has no hook
        ASSERT_TRUE(await(scheduler->running()).empty());
        EXPECT_THROW(await(scheduler->freeze(Clock::now() + 50ms)), std::runtime_error);
    }
    ASSERT_TRUE(until_count(JobState::cancelled, 1));
    EXPECT_EQ(detail(job).attempts.size(), 0u);
    queue("true");
    EXPECT_TRUE(until_count(JobState::succeeded, 1)) << "it claims again";
}

TEST_F(SchedulerFreezeTest, WhatRunsAgainAfterACrashIsNoLeftoverOfIt)
{
    const Uuid job = queue(waiting("go", "echo done"));
    ASSERT_EQ(claim().size(), 1u); // and its daemon is killed
    reopen("boot-2");
    start();
    ASSERT_TRUE(until_written(job, "ready"));
    resume(freeze());
    queue("true");
    ASSERT_TRUE(until_count(JobState::succeeded, 1)) << "it claims: leftovers have been looked for";
    make("go");
    ASSERT_TRUE(until_count(JobState::succeeded, 2));
    EXPECT_EQ(output(job).out.text, "ready\ndone\n");
}

TEST_F(SchedulerFreezeTest, WhatAClaimBringsIsHandedOverToo)
{
    rules.max_jobs = 1;
    start();
    const Uuid first = queue_and_wait(waiting("go", "true"));
    const Uuid second = queue(waiting("go-on", "echo done"));
    std::future<Handed> handed;
    {
        const Locked lock{options.path};
        make("go");
        ASSERT_TRUE(until_storing(first)); // now the second is being claimed
        handed = asio::co_spawn(caller_loop(), scheduler->freeze(), asio::use_future);
        caller_loop().poll();
    }
    caller_loop().run();
    Handed attempts = handed.get();
    ASSERT_EQ(attempts.size(), 1u);
    EXPECT_EQ(attempts[0].job.job, second);
    scheduler.reset();
    make("go-on");
    resume(std::move(attempts));
    ASSERT_TRUE(until_count(JobState::succeeded, 2));
    EXPECT_EQ(output(second).out.text, "ready\ndone\n");
    EXPECT_EQ(detail(second).attempts.size(), 1u);
}

} // namespace
} // namespace belay::jobs
