#include "base/byte_size.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace belay {
namespace {

TEST(ParseByteSize, ReadsBinaryUnits)
{
    EXPECT_EQ(parse_byte_size("0"), 0U);
    EXPECT_EQ(parse_byte_size("512"), 512U);
    EXPECT_EQ(parse_byte_size("512B"), 512U);
    EXPECT_EQ(parse_byte_size("64KiB"), 64_KiB);
    EXPECT_EQ(parse_byte_size("1MiB"), 1_MiB);
    EXPECT_EQ(parse_byte_size("2GiB"), 2048_MiB);
}

TEST(ParseByteSize, RefusesWhatIsNotASize)
{
    for (const char* text : {"", "KiB", "1kB", "1MB", "1 MiB", "1.5MiB", "-1", "+1", "1MiBx", "99999999999999999999",
             "18446744073709551615KiB", "16777216TiB"})
        EXPECT_THROW((void)parse_byte_size(text), std::invalid_argument) << text;
}

TEST(FormatByteSize, ReadsBackToTheSameValue)
{
    for (const Bytes bytes :
        {Bytes{0}, Bytes{1}, Bytes{1023}, 1_KiB, Bytes{1025}, 1_MiB, 1536_KiB, 4096_MiB, ~Bytes{0}})
        EXPECT_EQ(parse_byte_size(format_byte_size(bytes)), bytes);
    EXPECT_EQ(format_byte_size(1_MiB), "1MiB");
}

} // namespace
} // namespace belay
