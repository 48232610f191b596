#include "belayd/jobs/oom_events.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdio>
#include <fstream>

namespace belay::jobs {
namespace {

std::optional<std::uint64_t> killed(const std::string& text)
{
    const std::string path = ::testing::TempDir() + "memory.events." + std::to_string(::getpid());
    std::ofstream{path} << text;
    const OomEvents events{path};
    std::remove(path.c_str());
    return events.killed();
}

TEST(OomEvents, ReadsTheCounter)
{
    EXPECT_EQ(killed("low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\noom_group_kill 5\n"), 4u);
    EXPECT_EQ(killed("oom_kill 7\n"), 7u);
}

TEST(OomEvents, KnowsNothingWhereTheKernelDoesNotTell)
{
    EXPECT_EQ(killed(""), std::nullopt);
    EXPECT_EQ(killed("low 0\noom 3\n"), std::nullopt);
    EXPECT_EQ(killed("oom_kill \n"), std::nullopt);
    EXPECT_EQ(OomEvents{"/nowhere"}.killed(), std::nullopt);
}

} // namespace
} // namespace belay::jobs
