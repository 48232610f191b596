#include "base/duration.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace belay {
namespace {

using namespace std::chrono_literals;

TEST(ParseDuration, ReadsUnitsLargestFirst)
{
    EXPECT_EQ(parse_duration("0s"), 0ms);
    EXPECT_EQ(parse_duration("250ms"), 250ms);
    EXPECT_EQ(parse_duration("30s"), 30s);
    EXPECT_EQ(parse_duration("10m"), 10min);
    EXPECT_EQ(parse_duration("1h30m"), 90min);
    EXPECT_EQ(parse_duration("7d"), 7 * 24h);
    EXPECT_EQ(parse_duration("1d2h3m4s5ms"), 26h + 3min + 4s + 5ms);
}

TEST(ParseDuration, RefusesWhatIsNotADuration)
{
    for (const char* text : {"", "s", "30", "30 s", "1.5s", "-1s", "30sec", "30m1h", "1s1s", "99999999999999999999s",
             "9223372036854775807ms", "200000000d"})
        EXPECT_THROW((void)parse_duration(text), std::invalid_argument) << text;
}

TEST(FormatDuration, ReadsBackToTheSameValue)
{
    for (const auto duration : {0ms, 1ms, 999ms, 1000ms, 90'000ms, 86'400'000ms, 93'784'005ms})
        EXPECT_EQ(parse_duration(format_duration(duration)), duration);
    EXPECT_EQ(format_duration(90s), "1m30s");
}

} // namespace
} // namespace belay
