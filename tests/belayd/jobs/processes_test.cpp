#include "belayd/jobs/processes.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace belay::jobs {
namespace {

TEST(Processes, OneThatHasEndedCannotBeTold)
{
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0)
        ::_exit(0);
    siginfo_t info{};
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
    // A zombie, as is one in the middle of its exit: it may still have children, which are about to be ours.
    EXPECT_TRUE(job_of(child).in_transition);
    EXPECT_EQ(job_of(child).job, std::nullopt);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    EXPECT_FALSE(job_of(child).in_transition) << "it is gone";
}

TEST(Processes, OneWithoutThatVariableIsForNoJob)
{
    EXPECT_EQ(job_of(::getpid()).job, std::nullopt);
    EXPECT_FALSE(job_of(::getpid()).in_transition);
}

} // namespace
} // namespace belay::jobs
