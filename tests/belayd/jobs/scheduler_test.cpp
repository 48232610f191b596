#include "base/spawn.hpp"
#include "tests/belayd/jobs/scheduler_fixture.hpp"

#include <fcntl.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace belay::jobs {
namespace {

using namespace std::chrono_literals;

TEST_F(SchedulerTest, RunsAJobAndStoresWhatBecameOfIt)
{
    start();
    const Uuid job = queue("echo out; echo err >&2");
    ASSERT_TRUE(until_count(JobState::succeeded, 1));
    const JobDetail stored = detail(job);
    ASSERT_EQ(stored.attempts.size(), 1u);
    EXPECT_EQ(stored.attempts[0].outcome, Outcome::succeeded);
    EXPECT_EQ(output(job).out.text, "out\n");
    EXPECT_EQ(output(job).err.text, "err\n");
    EXPECT_TRUE(until([&] { return scheduler->running_count() == 0; }));
}

TEST_F(SchedulerTest, RunsWhatWasQueuedBeforeItStarted)
{
    for (int i = 0; i < 10; ++i)
        queue("true");
    start();
    EXPECT_TRUE(until_count(JobState::succeeded, 10));
}

TEST_F(SchedulerTest, GivesTheJobItsEnvironmentAndItsPayload)
{
    start();
    NewEvent made = event("test");
    made.body = "the payload";
    made.traceparent = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01";
    made.arguments = {"/bin/sh", "-c", "cat; echo; exec env"};
    made.environment = {{"REF", "refs/heads/main"}, {"LANG", "de_DE.UTF-8"}, {"BELAY_JOB_ID", "forged"}};
    const Accepted accepted = accept(std::move(made));
    ASSERT_TRUE(until_count(JobState::succeeded, 1));

    std::istringstream text{output(accepted.job).out.text};
    std::string line;
    std::getline(text, line);
    EXPECT_EQ(line, "the payload");
    std::map<std::string, std::string> environment;
    while (std::getline(text, line))
        environment[line.substr(0, line.find('='))] = line.substr(line.find('=') + 1);
    const std::string trace = environment["TRACEPARENT"];
    EXPECT_TRUE(trace.starts_with("00-0123456789abcdef0123456789abcdef-")) << trace;
    EXPECT_TRUE(trace.ends_with("-01")) << trace;
    EXPECT_EQ(trace.find("-0123456789abcdef-"), std::string::npos) << "the span is the attempt's own";
    environment.erase("TRACEPARENT");
    environment.erase("PWD"); // the shell's
    environment.erase("_");
    environment.erase("OLDPWD");
    environment.erase("SHLVL");
    EXPECT_EQ(
        environment, (std::map<std::string, std::string>{{"PATH", "/usr/bin:/bin"}, {"LANG", "de_DE.UTF-8"},
                         {"REF", "refs/heads/main"}, {"BELAY_EVENT_ID", to_string(accepted.event)},
                         {"BELAY_JOB_ID", to_string(accepted.job)}, {"BELAY_ATTEMPT", "1"}, {"BELAY_HOOK", "test"}}));
}

TEST_F(SchedulerTest, RetriesAndThenGivesUpWithTheReason)
{
    rules.hooks["test"].attempts = 3;
    start();
    const Uuid job = queue("exit 7");
    ASSERT_TRUE(until_count(JobState::failed, 1));
    const JobDetail stored = detail(job);
    EXPECT_EQ(stored.attempts.size(), 3u);
    EXPECT_EQ(stored.summary.reason, "attempt 3 of 3: exit status 7");
    EXPECT_NE(metrics.text().find(R"(belay_attempts_total{hook="test",outcome="exited"} 3)"), std::string::npos);
}

TEST_F(SchedulerTest, WaitsBeforeARetryAndThenRunsItUnasked)
{
    rules.hooks["test"].attempts = 2;
    rules.hooks["test"].backoff = 300ms;
    start();
    const Uuid job = queue(R"([ "$BELAY_ATTEMPT" = 2 ])");
    ASSERT_TRUE(until_count(JobState::succeeded, 1));
    const JobDetail stored = detail(job);
    ASSERT_EQ(stored.attempts.size(), 2u);
    EXPECT_GE(stored.attempts[1].started - *stored.attempts[0].finished, 270ms);
}

TEST_F(SchedulerTest, AsksTheStoreForNothingWhileTheHookIsFull)
{
    rules.hooks["narrow"].concurrency = 1;
    start();
    const Uuid first = queue("echo runs; exec sleep 1000", "narrow");
    ASSERT_TRUE(until_written(first, "runs"));
    const auto commits = [this] {
        const std::string name = "\nbelay_store_commit_seconds_count ";
        const std::string text = metrics.text();
        return std::stoi(text.substr(text.find(name) + name.size()));
    };
    ASSERT_TRUE(until([this] { return count(JobState::running) == 1; }));
    (void)await(scheduler->live_output(first)); // its thread has come to rest
    const int before = commits();
    for (int i = 0; i < 10; ++i) {
        queue("true", "narrow");
        (void)await(scheduler->live_output(first)); // it has seen the commit
    }
    queue("true", "narrow");
    EXPECT_EQ(commits(), before + 11);
    EXPECT_EQ(await(scheduler->cancel(first)), JobState::running);
    EXPECT_TRUE(until_count(JobState::succeeded, 11)) << "they have their turn afterwards";
}

TEST_F(SchedulerTest, NeverExceedsTheLimits)
{
    rules.max_jobs = 5;
    rules.hooks["narrow"].concurrency = 2;
    start();
    const std::string log = directory.path() / "log";
    for (int i = 0; i < 30; ++i) {
        queue("echo + narrow >>" + log + "; sleep 0.02; echo - narrow >>" + log, "narrow");
        queue("echo + wide >>" + log + "; sleep 0.02; echo - wide >>" + log);
    }
    ASSERT_TRUE(until_count(JobState::succeeded, 60));
    int all = 0;
    int narrow = 0;
    int most = 0;
    int most_narrow = 0;
    std::ifstream file{log};
    for (std::string sign, hook; file >> sign >> hook;) {
        const int change = sign == "+" ? 1 : -1;
        all += change;
        narrow += hook == "narrow" ? change : 0;
        most = std::max(most, all);
        most_narrow = std::max(most_narrow, narrow);
    }
    EXPECT_LE(most, 5);
    EXPECT_GE(most, 3) << "nothing ran side by side";
    EXPECT_LE(most_narrow, 2);
}

TEST_F(SchedulerTest, ADrainWaitsForWhatRunsAndStartsNothing)
{
    rules.max_jobs = 1;
    start();
    const Uuid first = queue("echo ready; sleep 0.3; echo done");
    ASSERT_TRUE(until_written(first, "ready"));
    queue("true");
    std::vector<std::size_t> reports;
    await(drained(*scheduler, Clock::now() + patience, reports));
    EXPECT_EQ(output(first).out.text, "ready\ndone\n");
    EXPECT_EQ(count(JobState::succeeded), 1u);
    EXPECT_EQ(count(JobState::queued), 1u);
    EXPECT_EQ(reports, std::vector<std::size_t>{1});
    EXPECT_EQ(scheduler->running_count(), 0u);
}

TEST_F(SchedulerTest, ADrainPastItsTimeInterruptsAndRequeuesWithoutBurningAnAttempt)
{
    start();
    const Uuid job = queue("trap 'exit 1' TERM; echo ready; while :; do sleep 0.01; done");
    ASSERT_TRUE(until_written(job, "ready"));
    std::vector<std::size_t> reports;
    await(drained(*scheduler, Clock::now(), reports));
    EXPECT_EQ(count(JobState::queued), 1u);
    const JobDetail stored = detail(job);
    ASSERT_EQ(stored.attempts.size(), 1u);
    EXPECT_EQ(stored.attempts[0].outcome, Outcome::interrupted);
    stop();

    reopen("boot-2");
    const std::vector<ClaimedJob> claimed = claim();
    ASSERT_EQ(claimed.size(), 1u);
    EXPECT_EQ(claimed[0].attempt, 2u);
    EXPECT_EQ(claimed[0].counted, 0u);
}

TEST_F(SchedulerTest, AHurriedDrainKills)
{
    start();
    const Uuid job = queue("trap '' TERM; echo ready; while :; do sleep 1; done");
    ASSERT_TRUE(until_written(job, "ready"));
    scheduler->pause();
    scheduler->hurry();
    std::vector<std::size_t> reports;
    await(drained(*scheduler, Clock::now() + patience, reports));
    EXPECT_EQ(count(JobState::queued), 1u);
}

TEST_F(SchedulerTest, StopKillsAndRequeues)
{
    start();
    const Uuid job = queue("trap '' TERM; echo ready; while :; do sleep 1; done");
    ASSERT_TRUE(until_written(job, "ready"));
    stop();
    EXPECT_EQ(count(JobState::queued), 1u);
    EXPECT_EQ(count(JobState::running), 0u);
}

TEST_F(SchedulerTest, CancelsARunningJob)
{
    rules.hooks["test"].attempts = 5;
    start();
    const Uuid job = queue("echo ready; exec sleep 1000");
    ASSERT_TRUE(until_written(job, "ready"));
    const std::vector<RunningAttempt> running = await(scheduler->running());
    ASSERT_EQ(running.size(), 1u);
    EXPECT_EQ(running[0].job, job);
    EXPECT_EQ(running[0].hook, "test");
    EXPECT_EQ(running[0].attempt, 1u);
    EXPECT_EQ(await(scheduler->cancel(job)), JobState::running);
    ASSERT_TRUE(until_count(JobState::cancelled, 1));
    EXPECT_EQ(detail(job).attempts[0].outcome, Outcome::signalled);
}

TEST_F(SchedulerTest, BetweenItsEndAndItsStoredResultAJobsOutputIsWaitedFor)
{
    start();
    const std::string go = directory.path() / "go";
    const Uuid job = queue("echo ready; while [ ! -e " + go + " ]; do sleep 0.01; done; echo done");
    ASSERT_TRUE(until_written(job, "ready"));
    {
        const Locked lock{options.path};
        std::ofstream{go};
        EXPECT_TRUE(until_storing(job));
    }
    EXPECT_TRUE(until([&] {
        try {
            return !await(scheduler->live_output(job)); // so it is in the store
        } catch (const StoreUnavailable&) {
            return false;
        }
    }));
    EXPECT_EQ(output(job).out.text, "ready\ndone\n");
}

TEST_F(SchedulerTest, CancelsAQueuedJob)
{
    rules.max_jobs = 1;
    start();
    const Uuid first = queue("echo ready; exec sleep 1000");
    const Uuid second = queue("true");
    ASSERT_TRUE(until_written(first, "ready"));
    EXPECT_EQ(await(scheduler->cancel(second)), JobState::cancelled);
    EXPECT_EQ(await(scheduler->cancel(make_uuid_v7())), std::nullopt);
    EXPECT_EQ(await(scheduler->live_output(second)), std::nullopt);
}

TEST_F(SchedulerTest, CancelsTheJobsOfAHookThatIsGoneAndFinishesWhatRuns)
{
    rules.max_jobs = 1;
    rules.hooks["gone"];
    start();
    const Uuid running =
        queue("echo ready; while [ -e " + (directory.path() / "hold").string() + " ]; do sleep 0.01; done", "gone");
    std::ofstream{directory.path() / "hold"};
    ASSERT_TRUE(until_written(running, "ready"));
    const Uuid waiting = queue("true", "gone");
    SchedulerRules fewer = rules;
    fewer.hooks.erase("gone");
    await(applied(*scheduler, fewer));
    EXPECT_EQ(detail(waiting).summary.state, JobState::cancelled);
    EXPECT_EQ(detail(waiting).summary.reason, "hook no longer configured");

    const Uuid late = queue("true", "gone"); // accepted by the hooks of before the reload
    std::filesystem::remove(directory.path() / "hold");
    ASSERT_TRUE(until_count(JobState::cancelled, 2));
    EXPECT_EQ(detail(late).summary.reason, "hook no longer configured");
    const auto state = detail(running).summary.state;
    EXPECT_TRUE(state == JobState::succeeded || state == JobState::cancelled);
}

TEST_F(SchedulerTest, RunsAQueuedJobByThePresentRules)
{
    rules.max_jobs = 1;
    start();
    const Uuid first = queue("echo ready; sleep 0.2");
    const Uuid second = queue("pwd; exec sleep 1000");
    ASSERT_TRUE(until_written(first, "ready"));
    SchedulerRules changed = rules;
    changed.hooks["test"].timeout = 300ms;
    changed.hooks["test"].directory = "/usr";
    await(applied(*scheduler, changed));
    ASSERT_TRUE(until_count(JobState::failed, 1));
    EXPECT_EQ(output(second).out.text, "/usr\n");
    EXPECT_EQ(detail(second).summary.reason, "attempt 1 of 1: timed out: ran longer than 300ms");
    EXPECT_EQ(detail(first).summary.state, JobState::succeeded);
}

TEST_F(SchedulerTest, KillsWhatADeadPredecessorLeftRunningBeforeTheJobRunsAgain)
{
    const std::string pid_file = directory.path() / "pid";
    const Uuid job = queue("[ ! -e /proc/$(cat " + pid_file + ")/exe ]"); // a zombie has none
    ASSERT_EQ(claim().size(), 1u);                                        // and its daemon is killed
    const auto null = [] { return UniqueFd{::open("/dev/null", O_RDWR | O_CLOEXEC)}; };
    Child orphan = std::get<Child>(
        spawn({"/bin/sleep", "1000"}, {{"BELAY_JOB_ID", to_string(job)}}, "/", {null(), null(), null()}));
    std::ofstream{pid_file} << orphan.pid();
    ASSERT_TRUE(until([&] { return !job_of(orphan.pid()).in_transition; }));
    reopen("boot-2");
    start();
    EXPECT_TRUE(until([&] { return count(JobState::succeeded) + count(JobState::failed) == 1; }));
    EXPECT_EQ(count(JobState::succeeded), 1u) << "the job ran again beside its predecessor";
    stop();
    orphan.reap();
}

TEST_F(SchedulerTest, AFloodOfShortJobsLeavesNothingBehind)
{
    const auto descriptors = [] {
        return std::distance(
            std::filesystem::directory_iterator{"/proc/self/fd"}, std::filesystem::directory_iterator{});
    };
    start();
    queue("true");
    ASSERT_TRUE(until_count(JobState::succeeded, 1));
    ASSERT_TRUE(until([&] { return scheduler->running_count() == 0; }));
    const auto before = descriptors();
    std::vector<NewEvent> events;
    for (int i = 0; i < 200; ++i) {
        events.push_back(event("test"));
        events.back().arguments = {"/bin/true"};
    }
    accept_all(std::move(events));
    ASSERT_TRUE(until_count(JobState::succeeded, 201));
    ASSERT_TRUE(until([&] { return scheduler->running_count() == 0; }));
    EXPECT_TRUE(until([&] { return descriptors() == before; }));
    EXPECT_NE(metrics.text().find(R"(belay_jobs_running{hook="test"} 0)"), std::string::npos);
}

} // namespace
} // namespace belay::jobs
