#include "base/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>
#include <thread>
#include <vector>

namespace belay {
namespace {

using Bytes = std::array<std::uint8_t, 8>;

std::vector<Bytes> take(std::size_t count)
{
    std::vector<Bytes> taken(count);
    for (Bytes& bytes : taken)
        fill_random(bytes);
    return taken;
}

TEST(FillRandom, RepeatsNothing)
{
    const auto first = take(10'000);
    EXPECT_EQ(std::set<Bytes>(first.begin(), first.end()).size(), first.size());
}

TEST(FillRandom, IsOfEachThreadItsOwn)
{
    const std::vector<Bytes> ours = take(1); // what is left of the reserve could be another's
    std::vector<Bytes> theirs;
    std::thread other{[&theirs] { theirs = take(100); }};
    other.join();
    const auto more = take(100);
    std::set<Bytes> all(theirs.begin(), theirs.end());
    all.insert(more.begin(), more.end());
    all.insert(ours.begin(), ours.end());
    EXPECT_EQ(all.size(), 201U);
}

TEST(FillRandom, FillsMoreThanTheReserve)
{
    std::vector<std::uint8_t> bytes(10'000, 0);
    fill_random(bytes);
    for (auto it = bytes.begin(); it != bytes.end(); it += 100)
        EXPECT_TRUE(std::any_of(it, it + 100, [](std::uint8_t byte) { return byte != 0; }));
    fill_random({});
}

/** Each bit is set as often as not: 20,000 samples, a standard deviation is 71. */
TEST(FillRandom, LeavesNoByteAsItWas)
{
    std::array<int, 64> set{};
    for (const Bytes& bytes : take(20'000))
        for (std::size_t bit = 0; bit < set.size(); ++bit)
            set.at(bit) += (bytes.at(bit / 8) >> (bit % 8)) & 1;
    for (const int count : set)
        EXPECT_NEAR(count, 10'000, 1'000);
}

} // namespace
} // namespace belay
