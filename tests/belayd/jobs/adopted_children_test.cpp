#include "attempt_fixture.hpp"
#include "base/spawn.hpp"
#include "belayd/jobs/adopted_children.hpp"
#include "belayd/jobs/processes.hpp"

#include <fcntl.h>
#include <sys/wait.h>

namespace belay::jobs {
namespace {

Child start(std::vector<std::string> arguments, const std::vector<std::pair<std::string, std::string>>& environment)
{
    const auto null = [] { return UniqueFd{::open("/dev/null", O_RDWR | O_CLOEXEC)}; };
    Child child = std::get<Child>(spawn(arguments, environment, "/", {null(), null(), null()}));
    while (job_of(child.pid()).in_transition && !child.ended()) // posix_spawn() returns before the end of execve()
        std::this_thread::yield();
    return child;
}

TEST(AdoptedChildren, ReapsStrangersAndLeavesLeadersToTheirOwners)
{
    AdoptedChildren adopted;
    Child leader = start({"/bin/true"}, {});
    adopted.add_leader(leader.pid());
    siginfo_t info{};
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(leader.pid()), &info, WEXITED | WNOWAIT), 0);
    EXPECT_EQ(adopted.reap(), 0u);
    EXPECT_TRUE(leader.ended()) << "its status was taken";

    // Its child is orphaned when it ends, and is ours then.
    Child parent = start({"/bin/sh", "-c", "sleep 1000 &"}, {});
    adopted.add_leader(parent.pid());
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(parent.pid()), &info, WEXITED | WNOWAIT), 0);
    EXPECT_EQ(adopted.reap(), 1u);
    parent.signal_group(SIGKILL);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{10};
    while (adopted.reap() > 0 && std::chrono::steady_clock::now() < deadline)
        std::this_thread::yield();
    EXPECT_EQ(adopted.reap(), 0u);
    EXPECT_TRUE(parent.ended());
    leader.reap();
    parent.reap();
}

TEST(Processes, KnowsTheJobOfAProcessByItsEnvironment)
{
    const Uuid job = make_uuid_v7();
    const Child with = start({"/bin/sleep", "1000"}, {{"X_BELAY_JOB_ID", "1"}, {"BELAY_JOB_ID", to_string(job)}});
    const Child without = start({"/bin/sleep", "1000"}, {{"X_BELAY_JOB_ID", to_string(job)}});
    EXPECT_EQ(job_of(with.pid()).job, job);
    EXPECT_EQ(job_of(without.pid()).job, std::nullopt);
    const std::vector<pid_t> children = children_of(::getpid());
    EXPECT_EQ(children, (std::vector<pid_t>{with.pid(), without.pid()}));
}

TEST(KillLeftovers, KillsTheProcessesOfTheseJobsOnly)
{
    const Uuid job = make_uuid_v7();
    Child leftover = start({"/usr/bin/sleep", "1000"}, {{"BELAY_JOB_ID", to_string(job)}});
    const Child other = start({"/usr/bin/sleep", "1000"}, {{"BELAY_JOB_ID", to_string(make_uuid_v7())}});
    const auto found = kill_leftovers({make_uuid_v7(), job});
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found.front(), std::pair(leftover.pid(), job));
    siginfo_t info{};
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(leftover.pid()), &info, WEXITED | WNOWAIT), 0);
    EXPECT_EQ(info.si_status, SIGKILL);
    EXPECT_FALSE(other.ended());
}

} // namespace
} // namespace belay::jobs
