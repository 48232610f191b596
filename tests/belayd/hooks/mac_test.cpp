#include "belayd/hooks/mac.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace belay::hooks {
namespace {

const std::string key(20, '\x0b');
constexpr const char* of_hi_there = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"; // RFC 4231 §4.2

std::string hex(const Mac& mac, std::vector<std::string_view> message)
{
    const Digest digest = mac.digest(message);
    return fmt::format("{:02x}", fmt::join(digest.view(), ""));
}

TEST(Mac, IsThatOfTheRfcs)
{
    EXPECT_EQ(hex(Mac{"SHA256", key}, {"Hi There"}), of_hi_there);
    EXPECT_EQ(hex(Mac{"SHA512", key}, {"Hi There"}),
        "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
        "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854");
    EXPECT_EQ(hex(Mac{"SHA1", key}, {"Hi There"}), "b617318655057264e28bc0b6fb378c8ef146be00"); // RFC 2202 §3
    EXPECT_EQ(hex(Mac{"SHA256", "Jefe"}, {"what do ya want ", "for nothing?"}),                 // RFC 4231 §4.3
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Mac, KeepsNothingOfTheMessageBefore)
{
    const Mac mac{"SHA256", key};
    (void)mac.digest(std::vector<std::string_view>{"another", "message"});
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(hex(mac, {"Hi There"}), of_hi_there);
}

TEST(Mac, CanBeMovedAtAnyTime)
{
    Mac first{"SHA256", key};
    (void)first.digest(std::vector<std::string_view>{"a message"});
    Mac second{std::move(first)};
    EXPECT_EQ(hex(second, {"Hi There"}), of_hi_there);
    second = Mac{"SHA256", "Jefe"};
    EXPECT_EQ(hex(second, {"what do ya want for nothing?"}),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Mac, IsForAllThreads)
{
    const Mac mac{"SHA256", key};
    std::atomic<int> wrong = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            for (int round = 0; round < 2'000; ++round)
                wrong += hex(mac, {"Hi ", "There"}) != of_hi_there ? 1 : 0;
        });
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_EQ(wrong, 0);
}

} // namespace
} // namespace belay::hooks
