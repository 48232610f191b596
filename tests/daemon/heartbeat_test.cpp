#include "daemon/heartbeat.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace belay::daemon {
namespace {

using namespace std::chrono_literals;

TEST(Heartbeat, ALoopThatStopsBeatingIsWedged)
{
    Heartbeat heartbeat{"http-0"};
    heartbeat.beat();
    const auto now = Heartbeat::Clock::now();
    EXPECT_FALSE(heartbeat.wedged(now + 4s));
    EXPECT_TRUE(heartbeat.wedged(now + 6s));
    heartbeat.beat();
    EXPECT_FALSE(heartbeat.wedged(Heartbeat::Clock::now()));
}

TEST(Heartbeat, ADiskWaitCountsAsOneAndNeverAsAWedge)
{
    Heartbeat heartbeat{"store"};
    {
        const Heartbeat::DiskWait wait{heartbeat};
        const auto later = Heartbeat::Clock::now() + 60s;
        EXPECT_FALSE(heartbeat.wedged(later));
        EXPECT_GE(heartbeat.disk_wait(later), 60s);
    }
    EXPECT_EQ(heartbeat.disk_wait(Heartbeat::Clock::now() + 60s), 0s);
    EXPECT_TRUE(heartbeat.wedged(Heartbeat::Clock::now() + 60s));
}

TEST(Heartbeat, ADiskWaitIsThatOfTheCallingThread)
{
    {
        const Heartbeat::DiskWait of_no_loop;
    }
    Heartbeat heartbeat{"runner"};
    Heartbeat::set_of_this_thread(&heartbeat);
    {
        const Heartbeat::DiskWait wait;
        EXPECT_GE(heartbeat.disk_wait(Heartbeat::Clock::now() + 60s), 60s);
        std::thread{[] { const Heartbeat::DiskWait of_no_loop; }}.join();
        EXPECT_GE(heartbeat.disk_wait(Heartbeat::Clock::now() + 60s), 60s);
    }
    Heartbeat::set_of_this_thread(nullptr);
    EXPECT_EQ(heartbeat.disk_wait(Heartbeat::Clock::now() + 60s), 0s);
}

TEST(Heartbeat, AWaitWithinAWaitEndsWithTheOuterOne)
{
    Heartbeat heartbeat{"store"};
    {
        const Heartbeat::DiskWait outer{heartbeat};
        const auto begun = Heartbeat::Clock::now();
        {
            const Heartbeat::DiskWait inner{heartbeat};
        }
        EXPECT_GE(heartbeat.disk_wait(begun + 60s), 60s) << "counted from the outer one's beginning";
        EXPECT_FALSE(heartbeat.wedged(begun + 60s));
    }
    EXPECT_EQ(heartbeat.disk_wait(Heartbeat::Clock::now() + 60s), 0s);
}

TEST(Heartbeat, AHarmlessWaitCountsAgainstNothing)
{
    Heartbeat heartbeat{"notify"};
    const Heartbeat::HarmlessWait wait{heartbeat};
    const auto later = Heartbeat::Clock::now() + 60s;
    EXPECT_FALSE(heartbeat.wedged(later));
    EXPECT_EQ(heartbeat.disk_wait(later), 0s);
}

} // namespace
} // namespace belay::daemon
