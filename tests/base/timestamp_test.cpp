#include "base/timestamp.hpp"

#include <gtest/gtest.h>

namespace belay {
namespace {

using std::chrono::microseconds;

TEST(FormatTimestamp, IsRfc3339InUtcWithMicroseconds)
{
    EXPECT_EQ(format_timestamp(Timestamp{microseconds{1'795'153'845'000'123}}), "2026-11-20T05:50:45.000123Z");
    EXPECT_EQ(format_timestamp(Timestamp{microseconds{0}}), "1970-01-01T00:00:00.000000Z");
    EXPECT_EQ(format_timestamp(Timestamp{microseconds{-1}}), "1969-12-31T23:59:59.999999Z");
}

} // namespace
} // namespace belay
