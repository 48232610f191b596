#include "base/siphash.hpp"

#include <gtest/gtest.h>

#include <string>

namespace belay {
namespace {

// https://github.com/veorq/SipHash, vectors.h: key 00 01 … 0f, texts 00 01 02 … of each length.
TEST(SipHash, IsThatOfItsAuthors)
{
    const std::array<std::uint64_t, 2> key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
    std::string text;
    const auto next = [&] {
        const std::uint64_t hash = siphash(key, text);
        text += static_cast<char>(text.size());
        return hash;
    };
    EXPECT_EQ(next(), 0x726fdb47dd0e0e31U);
    EXPECT_EQ(next(), 0x74f839c593dc67fdU);
    EXPECT_EQ(next(), 0x0d6c8009d9a94f5aU);
    while (text.size() < 15)
        (void)next();
    EXPECT_EQ(next(), 0xa129ca6149be45e5U) << "of the paper";
}

TEST(SipHash, DependsOnTheKeyAndOnEachByte)
{
    EXPECT_NE(siphash({1, 2}, "192.0.2.1"), siphash({1, 3}, "192.0.2.1"));
    EXPECT_NE(siphash({1, 2}, "192.0.2.1"), siphash({2, 2}, "192.0.2.1"));
    EXPECT_NE(siphash({1, 2}, "192.0.2.1"), siphash({1, 2}, "192.0.2.2"));
    EXPECT_NE(siphash({1, 2}, "\xff"), siphash({1, 2}, std::string{"\xff\0", 2}));
}

} // namespace
} // namespace belay
