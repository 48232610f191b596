#include "belayd/jobs/scheduler.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace belay::jobs {
namespace {

using namespace std::chrono_literals;
constexpr double middle = 0.5; // no jitter

TEST(RetryDelay, DoublesUpToTheBound)
{
    EXPECT_EQ(retry_delay(1, 10s, 1h, middle), 10s);
    EXPECT_EQ(retry_delay(2, 10s, 1h, middle), 20s);
    EXPECT_EQ(retry_delay(3, 10s, 1h, middle), 40s);
    EXPECT_EQ(retry_delay(9, 10s, 1h, middle), 2560s);
    EXPECT_EQ(retry_delay(10, 10s, 1h, middle), 1h);
    EXPECT_EQ(retry_delay(1, 10s, 5s, middle), 5s);
}

TEST(RetryDelay, SpreadsByATenthEachWay)
{
    EXPECT_EQ(retry_delay(1, 10s, 1h, 0), 9s);
    EXPECT_NEAR(static_cast<double>(retry_delay(1, 10s, 1h, 0.999999).count()), 11000, 1);
}

TEST(RetryDelay, NeverOverflows)
{
    EXPECT_EQ(retry_delay(std::numeric_limits<unsigned>::max(), 10s, 1h, middle), 1h);
    EXPECT_EQ(retry_delay(0, 10s, 1h, middle), 10s);
    EXPECT_EQ(retry_delay(5, 0ms, 1h, middle), 0ms);
}

} // namespace
} // namespace belay::jobs
