#include "belayd/hooks/signed_time.hpp"

#include <gtest/gtest.h>

namespace belay::hooks {
namespace {

using namespace std::chrono_literals;
using Format = config::SignedTime::Format;

TEST(SignedTime, ReadsSeconds)
{
    const auto parse = [](std::string_view text) { return parse_signed_time(Format::unix_seconds, text); };
    EXPECT_EQ(parse("1700000000"), std::chrono::sys_seconds{1'700'000'000s});
    EXPECT_EQ(parse("0"), std::chrono::sys_seconds{0s});
    EXPECT_EQ(parse("99999999999"), std::chrono::sys_seconds{99'999'999'999s});
    for (const char* text :
        {"", "-1", "+1", " 1", "1 ", "1.5", "1e9", "0x1", "100000000000", "1700000000000", "01700000000", "00"})
        EXPECT_EQ(parse(text), std::nullopt) << text;
}

TEST(SignedTime, ReadsMilliseconds)
{
    const auto parse = [](std::string_view text) { return parse_signed_time(Format::unix_milliseconds, text); };
    EXPECT_EQ(parse("1700000000123"), Timestamp{1'700'000'000'123ms});
    EXPECT_EQ(parse("0"), Timestamp{});
    EXPECT_EQ(parse("99999999999999"), Timestamp{99'999'999'999'999ms});
    for (const char* text : {"", "-1", "1.5", "100000000000000", "01700000000123", "17000000001e3"})
        EXPECT_EQ(parse(text), std::nullopt) << text;
}

TEST(SignedTime, IsWrittenAsItIsRead)
{
    const Timestamp time{1'504'869'872'987'654us};
    EXPECT_EQ(format_signed_time(Format::unix_seconds, time), "1504869872");
    EXPECT_EQ(format_signed_time(Format::unix_milliseconds, time), "1504869872987");
    EXPECT_EQ(format_signed_time(Format::date, time), "Fri 08 Sep 2017 11:24:32 UTC");
}

TEST(SignedTime, ReadsTheDateOfScalr)
{
    const auto parse = [](std::string_view text) { return parse_signed_time(Format::date, text); };
    EXPECT_EQ(parse("Fri 08 Sep 2017 11:24:32 UTC"), std::chrono::sys_seconds{1'504'869'872s});
    EXPECT_EQ(parse("Fri 08 Sep 2017 11:24:32 GMT"), std::chrono::sys_seconds{1'504'869'872s});
    for (const char* text : {"", "Fri 08 Sep 2017 11:24:32", "Fri 08 Sep 2017 11:24:32 CET",
             "Fri, 08 Sep 2017 11:24:32 GMT", "Fri 08 Sep 2017 11:24:32 UTC ", "1504869872"})
        EXPECT_EQ(parse(text), std::nullopt) << text;
}

} // namespace
} // namespace belay::hooks
