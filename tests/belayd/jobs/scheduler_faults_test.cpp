// What the scheduler does when a result cannot be stored, a predecessor's processes cannot be killed, hooks come and
// go.
#include "tests/belayd/jobs/scheduler_fixture.hpp"

#include <spdlog/sinks/ringbuffer_sink.h>
#include <spdlog/spdlog.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <future>
#include <limits>

namespace belay::jobs {
namespace {

struct SchedulerFaultsTest : SchedulerTest {
    void SetUp() override
    {
        SchedulerTest::SetUp();
        spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", lines_));
    }

    void TearDown() override
    {
        SchedulerTest::TearDown();
        spdlog::set_default_logger(before_);
    }

    /** The first line of the log with `text`; "" if there is none. */
    [[nodiscard]] std::string logged(const std::string& text) const
    {
        for (const std::string& line : lines_->last_formatted())
            if (line.find(text) != std::string::npos)
                return line;
        return "";
    }

private:
    std::shared_ptr<spdlog::sinks::ringbuffer_sink_mt> lines_ =
        std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(1000);
    std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
};

TEST_F(SchedulerFaultsTest, StoresAResultWithoutAnOutputThatTheStoreRefuses)
{
    start();
    const Uuid first = queue("echo one");
    ASSERT_TRUE(until_count(JobState::succeeded, 1));
    execute("CREATE UNIQUE INDEX one_of_a_size ON outputs (length(stdout))");
    const Uuid second = queue("echo two");
    ASSERT_TRUE(until_count(JobState::succeeded, 2));
    const AttemptSummary attempt = detail(second).attempts.at(0);
    EXPECT_EQ(attempt.outcome, Outcome::succeeded);
    EXPECT_NE(attempt.detail.find("output not stored: UNIQUE constraint failed"), std::string::npos) << attempt.detail;
    EXPECT_EQ(output(second).out.text, "");
    EXPECT_EQ(output(second).out.dropped, 4U);
    EXPECT_EQ(output(first).out.text, "one\n");
}

TEST_F(SchedulerFaultsTest, GivesUpAResultThatTheStoreRefusesAltogether)
{
    start();
    queue("exit 0");
    ASSERT_TRUE(until_count(JobState::succeeded, 1));
    execute("CREATE UNIQUE INDEX one_of_an_outcome ON attempts (outcome)");
    const Uuid job = queue("exit 0");
    EXPECT_TRUE(until([&] { return !logged("the next start counts it as lost").empty(); }));
    EXPECT_TRUE(until_idle()) << "it is tried for ever";
    EXPECT_EQ(detail(job).summary.state, JobState::running);
    stop();
    execute("DROP INDEX one_of_an_outcome");
    reopen("boot-2");
    EXPECT_EQ(store->take_recovered().jobs, std::vector<Uuid>{job});
}

TEST_F(SchedulerFaultsTest, ALongCancellationSparesAHookThatIsBack)
{
    constexpr std::size_t jobs = 3000; // several steps
    scheduler = std::make_unique<Scheduler>(runner->io(), *store, metrics, rules);
    std::vector<NewEvent> events;
    for (std::size_t i = 0; i < jobs; ++i)
        events.push_back(event("back"));
    accept_all(std::move(events));

    std::promise<void> both_wait;
    asio::post(runner->io(), [opened = both_wait.get_future().share()] { opened.wait(); });
    asio::io_context& io = caller_loop();
    auto first = asio::co_spawn(io, applied(*scheduler, rules), asio::use_future);
    rules.hooks["back"];
    auto second = asio::co_spawn(io, applied(*scheduler, rules), asio::use_future);
    io.poll(); // both are on their way to the runner's loop
    both_wait.set_value();
    io.run();
    EXPECT_TRUE(first.get() && second.get());
    EXPECT_GT(count(JobState::cancelled), 0U);
    EXPECT_GT(count(JobState::queued), jobs / 2) << "cancelled by rules that no longer hold";
}

TEST_F(SchedulerFaultsTest, ClaimsAgainAtOnceWhenBodiesWereTooLargeForOneClaim)
{
    const std::string done = directory.path() / "done";
    std::vector<Uuid> jobs;
    for (const char* script : {"while [ ! -e $0 ]; do sleep 0.01; done", ": > $0"}) {
        NewEvent made = event("test");
        made.body.assign(65_MiB, 'x');
        made.arguments = {"/bin/sh", "-c", script, done};
        accept(std::move(made));
    }
    start();
    EXPECT_TRUE(until_count(JobState::succeeded, 2)) << "the second ends the first: they must run side by side";
}

TEST_F(SchedulerFaultsTest, AJobWhoseFilesHaveNoRoomWaitsAndHoldsNobodyUp)
{
    rules.files_directory = directory.path() / "files";
    rules.free_space_floor = std::numeric_limits<std::int64_t>::max();
    start();
    NewEvent made = event("test");
    made.arguments = {"/bin/true"};
    made.files = {{"FILE", "text"}};
    const Uuid waiting = accept(std::move(made)).job;
    ASSERT_TRUE(until([&] { return !logged("cannot be started").empty(); }));
    ASSERT_TRUE(until_count(JobState::queued, 1));
    const JobDetail job = detail(waiting);
    EXPECT_GT(job.summary.run_at, now() + std::chrono::seconds{5});
    ASSERT_EQ(job.attempts.size(), 1U);
    EXPECT_EQ(job.attempts[0].outcome, Outcome::interrupted) << "which does not count";
    EXPECT_EQ(job.attempts[0].detail.find("cannot be started: cannot write 4 bytes to " + rules.files_directory), 0U)
        << job.attempts[0].detail;
    EXPECT_TRUE(std::filesystem::is_empty(rules.files_directory));

    const Uuid other = queue("exit 0");
    EXPECT_TRUE(until_count(JobState::succeeded, 1));
    EXPECT_LT(detail(other).attempts.at(0).started - detail(other).summary.enqueued, std::chrono::milliseconds{900})
        << "it waited as if no process could be started";
}

TEST_F(SchedulerFaultsTest, NamesWhatIsLeftOfAPredecessorWhenItGivesUp)
{
    const std::string job = to_string(queue("true"));
    ASSERT_EQ(claim().size(), 1U); // and its daemon is killed
    std::vector<pid_t> keepers;    // none of the job's, but they start what is
    for (int i = 0; i < 8; ++i) {
        const pid_t child = ::fork();
        if (child == 0)
            ::execl("/bin/sh", "sh", "-c", "while :; do BELAY_JOB_ID=$0 /bin/sleep 1000; done", job.c_str(), nullptr);
        keepers.push_back(child);
    }
    const auto has_started = [](pid_t keeper) { return !children_of(keeper).empty(); };
    EXPECT_TRUE(until([&] { return std::all_of(keepers.begin(), keepers.end(), has_started); }));
    reopen("boot-2");
    start();
    EXPECT_TRUE(until([&] { return !logged("cannot be killed").empty(); }));
    EXPECT_NE(logged("cannot be killed").find("pids="), std::string::npos) << logged("cannot be killed");
    EXPECT_TRUE(until_count(JobState::succeeded, 1)) << "jobs go on";
    stop(); // and ends the keepers, which it takes for adopted
}

} // namespace
} // namespace belay::jobs
