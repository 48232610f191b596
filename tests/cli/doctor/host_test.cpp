#include "host.hpp"

#include <sched.h>
#include <sys/wait.h>

#include <csignal>

namespace belay::cli {
namespace {

using Verdict = Finding::Verdict;

class DoctorOfHost : public ::testing::Test {
protected:
    [[nodiscard]] Subject& subject() { return host_.subject(); }

    Host host_;
};

TEST_F(DoctorOfHost, DescriptorsAreThoseOfTheRunningDaemon)
{
    subject().belayd = 77;
    subject().config.max_jobs = 4;
    subject().config.ingress_limits.connections = 1000;
    EXPECT_EQ(examine_descriptors(subject()).verdict, Verdict::unknown);
    const auto limit = [this](const std::string& soft) {
        host_.proc("77/limits", "Limit                     Soft Limit           Hard Limit           Units     \n"
                                "Max open files            " +
                                    soft + "                 524288               files     ");
        return examine_descriptors(subject());
    };
    EXPECT_EQ(limit("1024").verdict, Verdict::warning);
    EXPECT_EQ(limit("1024").found, "1024");
    EXPECT_NE(limit("1024").remedy.find("LimitNOFILE=1544"), std::string::npos);
    EXPECT_EQ(limit("1543").verdict, Verdict::warning);
    EXPECT_EQ(limit("1544").verdict, Verdict::ok);
    EXPECT_EQ(limit("unlimited").found, "unlimited");
    EXPECT_EQ(limit("unlimited").verdict, Verdict::ok);
}

TEST_F(DoctorOfHost, ThreadsBeyondTheCpusAreNoGain)
{
    EXPECT_EQ(find(examine_cpus(subject()), "cpus").verdict, Verdict::ok);
    subject().config.http_threads = CPU_SETSIZE;
    EXPECT_EQ(find(examine_cpus(subject()), "cpus").verdict, Verdict::warning);
}

TEST_F(DoctorOfHost, JobsAreAsManyAsTheDaemonsCpusCanRun)
{
    cpu_set_t allowed;
    ASSERT_EQ(::sched_getaffinity(0, sizeof allowed, &allowed), 0);
    const pid_t daemon = ::fork();
    ASSERT_GE(daemon, 0);
    if (daemon == 0) {
        ::pause();
        ::_exit(0);
    }
    int used = 0;
    while (!CPU_ISSET(used, &allowed))
        ++used;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(used, &one);
    EXPECT_EQ(::sched_setaffinity(daemon, sizeof one, &one), 0);
    subject().belayd = daemon;
    EXPECT_EQ(running_jobs(subject()), 1U);
    subject().config.max_jobs = 7;
    EXPECT_EQ(running_jobs(subject()), 7U);
    EXPECT_EQ(::kill(daemon, SIGKILL), 0);
    EXPECT_EQ(::waitpid(daemon, nullptr, 0), daemon);
}

TEST_F(DoctorOfHost, NodesAreCountedOfTheCpusInUse)
{
    cpu_set_t allowed;
    ASSERT_EQ(::sched_getaffinity(0, sizeof allowed, &allowed), 0);
    int used = 0;
    while (!CPU_ISSET(used, &allowed))
        ++used;
    EXPECT_EQ(find(examine_cpus(subject()), "numa").found, "1 node") << "a kernel without nodes tells of none";
    host_.sys("devices/system/node/node0/cpulist", std::to_string(used));
    host_.sys("devices/system/node/node1/cpulist", "1022-1023");
    EXPECT_EQ(find(examine_cpus(subject()), "numa").found, "1 node") << "it does not run on the other";
    host_.sys("devices/system/node/node2/cpulist", "1020-1021," + std::to_string(used));
    EXPECT_EQ(find(examine_cpus(subject()), "numa").found, "2 nodes");
    EXPECT_EQ(find(examine_cpus(subject()), "numa").verdict, Verdict::note);
}

TEST(DoctorOfSqlite, KnowsWhichVersionsLoseCommits)
{
    for (const char* const safe : {"3.51.3", "3.52.0", "4.0.0", "3.50.7", "3.50.9", "3.44.6"})
        EXPECT_EQ(examine_sqlite(safe).verdict, Verdict::ok) << safe;
    for (const char* const known : {"3.40.1", "3.46.1", "3.44.5", "3.50.6", "3.51.2", "3.45.0"})
        EXPECT_EQ(examine_sqlite(known).verdict, Verdict::note) << known;
    EXPECT_EQ(examine_sqlite("new").verdict, Verdict::unknown);
}

TEST(DoctorOfClock, TellsWhetherItIsSynchronised)
{
    const Finding finding = examine_clock();
    EXPECT_EQ(finding.check, "clock");
    EXPECT_EQ(finding.verdict == Verdict::warning, !finding.remedy.empty());
    EXPECT_FALSE(finding.found.empty());
}

class Disk : public DoctorOfHost {
protected:
    Disk() { subject().config.state_dir = state_.path(""); }

    /** Of the state directory, on a file system of that type at that place. */
    [[nodiscard]] Finding file_system(const std::string& type, const std::string& options = "rw")
    {
        host_.proc("self/mountinfo", "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
                                     "22 21 0:5 / " +
                                         point() +
                                         "-other rw - tmpfs other rw\n"
                                         "23 21 0:6 / " +
                                         point() + " rw,relatime - " + type + " /dev/it " + options);
        return find(examine_disk(subject()), "file-system");
    }
    [[nodiscard]] std::string point() const { return std::filesystem::canonical(state_.path("")); }

    TemporaryDirectory state_;
};

TEST_F(Disk, AMountPointMayHaveASpaceInItsName)
{
    subject().config.state_dir = state_.path("a b/state");
    std::filesystem::create_directories(subject().config.state_dir);
    host_.proc("self/mountinfo", "21 1 8:1 / / rw - ext4 /dev/root rw\n"
                                 "22 21 0:5 / " +
                                     point() + "/a\\040b rw - tmpfs it rw\n");
    EXPECT_EQ(find(examine_disk(subject()), "file-system").found, "tmpfs on it");
}

TEST_F(Disk, IsMeasuredWhereTheStateIs)
{
    subject().config.free_space_floor = 1;
    const Findings findings = examine_disk(subject());
    EXPECT_NE(find(findings, "sync-rate").found.find(" a second, the slowest "), std::string::npos);
    EXPECT_EQ(find(findings, "free-space").verdict, Verdict::ok);
    EXPECT_TRUE(std::filesystem::is_empty(state_.path("")));
    subject().config.free_space_floor = Bytes{1} << 62;
    EXPECT_EQ(find(examine_disk(subject()), "free-space").verdict, Verdict::warning);
}

TEST_F(Disk, MayBeOneThatKeepsNothing)
{
    EXPECT_EQ(file_system("ext4").verdict, Verdict::ok);
    EXPECT_EQ(file_system("ext4").found, "ext4 on /dev/it");
    for (const char* const type : {"tmpfs", "nfs4", "fuse.sshfs", "overlay"})
        EXPECT_EQ(file_system(type).verdict, Verdict::warning) << type;
    EXPECT_EQ(file_system("ext4", "rw,nobarrier").verdict, Verdict::warning);
    EXPECT_EQ(file_system("ext4", "rw,nobarriers").verdict, Verdict::ok);
}

TEST_F(Disk, IsUnknownWhereThereIsNoState)
{
    subject().config.state_dir = state_.path("none");
    EXPECT_EQ(examine_disk(subject()).front().verdict, Verdict::unknown);
    EXPECT_EQ(examine_disk(subject()).size(), 1U);
}

} // namespace
} // namespace belay::cli
