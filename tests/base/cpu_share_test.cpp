#include "base/cpu_share.hpp"

#include <gtest/gtest.h>

#include <sched.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace belay {
namespace {

class CpuQuota : public ::testing::Test {
protected:
    ~CpuQuota() override { std::filesystem::remove_all(root_); }

    void limit(const std::filesystem::path& group, std::string_view cpu_max)
    {
        std::filesystem::create_directories(root_ / group);
        std::ofstream{root_ / group / "cpu.max"} << cpu_max << '\n';
    }
    [[nodiscard]] std::optional<double> of(std::string_view group) const { return cpu_quota(root_, group); }

private:
    const std::filesystem::path root_ =
        std::filesystem::path{::testing::TempDir()} / ("belay-cpu-quota-" + std::to_string(::getpid()));
};

TEST_F(CpuQuota, IsNoneWhereNothingIsLimited)
{
    EXPECT_FALSE(of("/system.slice/belayd.service")) << "there is not even a file";
    limit("system.slice/belayd.service", "max 100000");
    EXPECT_FALSE(of("/system.slice/belayd.service"));
    EXPECT_FALSE(of(""));
}

TEST_F(CpuQuota, IsThatOfTheGroup)
{
    limit("system.slice/belayd.service", "150000 100000");
    limit("system.slice/other.service", "10000 100000");
    EXPECT_EQ(of("/system.slice/belayd.service"), 1.5);
}

TEST_F(CpuQuota, IsTheLeastOfTheGroupsAbove)
{
    limit("", "400000 100000");
    limit("system.slice", "25000 50000");
    limit("system.slice/belayd.service", "200000 100000");
    EXPECT_EQ(of("/system.slice/belayd.service"), 0.5);
    EXPECT_EQ(of("/"), 4.0) << "in a container, whose own group is the root";
}

TEST_F(CpuQuota, IsNoneOfWhatCannotBeRead)
{
    limit("a", "lots 100000");
    limit("b", "-1 100000");
    limit("c", "100000 0");
    limit("", "100000 100000");
    EXPECT_EQ(of("/a"), 1.0);
    EXPECT_EQ(of("/b"), 1.0);
    EXPECT_EQ(of("/c"), 1.0);
    EXPECT_FALSE(of("/../belayd.service")) << "outside of the namespace";
}

TEST(CpuShare, HasAsManyThreadsAsCanRun)
{
    EXPECT_EQ((CpuShare{8, {}}.threads()), 8U);
    EXPECT_EQ((CpuShare{8, 1.5}.threads()), 2U);
    EXPECT_EQ((CpuShare{8, 2.0}.threads()), 2U);
    EXPECT_EQ((CpuShare{8, 0.05}.threads()), 1U);
    EXPECT_EQ((CpuShare{2, 6.0}.threads()), 2U);
}

TEST(CpuShare, FollowsTheAffinity)
{
    cpu_set_t before;
    ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
    EXPECT_EQ(cpu_share().cpus, static_cast<unsigned>(CPU_COUNT(&before)));
    int first = 0;
    while (!CPU_ISSET(first, &before))
        ++first;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    EXPECT_EQ(cpu_share().cpus, 1U);
    ASSERT_EQ(::sched_setaffinity(0, sizeof before, &before), 0);
}

} // namespace
} // namespace belay
