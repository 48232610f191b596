#include "belayd/jobs/next_step.hpp"

#include <gtest/gtest.h>

#include <csignal>

namespace belay::jobs {
namespace {

using namespace std::chrono_literals;
const Time time{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};

AttemptResult result(Outcome outcome, int exit_status = 0, int signal = 0, std::string detail = "")
{
    AttemptResult made;
    made.outcome = outcome;
    made.exit_status = exit_status;
    made.signal = signal;
    made.detail = std::move(detail);
    return made;
}

HookRules rules(unsigned attempts)
{
    HookRules made;
    made.attempts = attempts;
    made.backoff = 10s;
    return made;
}

TEST(NextStep, SuccessIsTheEnd)
{
    EXPECT_EQ(next_step(0, result(Outcome::succeeded), rules(3), time, 0.5).state, JobState::succeeded);
}

TEST(NextStep, RetriesUntilTheAttemptsAreUsedUp)
{
    NextStep next = next_step(0, result(Outcome::exited, 1), rules(3), time, 0.5);
    EXPECT_EQ(next.state, JobState::queued);
    EXPECT_EQ(next.run_at, time + 10s);
    next = next_step(1, result(Outcome::exited, 1), rules(3), time, 0.5);
    EXPECT_EQ(next.run_at, time + 20s);
    next = next_step(2, result(Outcome::exited, 1), rules(3), time, 0.5);
    EXPECT_EQ(next.state, JobState::failed);
    EXPECT_EQ(next.reason, "attempt 3 of 3: exit status 1");
}

TEST(NextStep, AReloadMayLeaveFewerAttemptsThanThereWere)
{
    EXPECT_EQ(next_step(4, result(Outcome::exited, 1), rules(1), time, 0.5).reason, "attempt 5 of 5: exit status 1");
}

TEST(NextStep, InterruptedIsRepeatedAtOnceHoweverOften)
{
    const NextStep next = next_step(0, result(Outcome::interrupted, 0, SIGTERM), rules(1), time, 0.5);
    EXPECT_EQ(next.state, JobState::queued);
    EXPECT_EQ(next.run_at, time);
}

TEST(NextStep, SaysWhatHappened)
{
    EXPECT_EQ(describe(result(Outcome::signalled, 0, SIGSEGV)), "signal 11 (Segmentation fault)");
    EXPECT_EQ(describe(result(Outcome::timed_out, 0, 0, "ran longer than 10s")), "timed out: ran longer than 10s");
    EXPECT_EQ(describe(result(Outcome::oom, 0, SIGKILL)), "out of memory");
    EXPECT_EQ(describe(result(Outcome::exited, 127, 0, "cannot execute /x: No such file or directory")),
        "exit status 127: cannot execute /x: No such file or directory");
}

} // namespace
} // namespace belay::jobs
