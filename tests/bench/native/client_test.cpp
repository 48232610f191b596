// What the client counts and how long it says that took: the rest of it is the server's affair.
#include "answers.hpp"
#include "latency.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace belay::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view three = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
                                   "HTTP/1.1 204 No Content\r\n\r\n"
                                   "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";

TEST(Answers, AreCountedHoweverTheyArrive)
{
    for (std::size_t first = 0; first <= three.size(); ++first)
        for (std::size_t second = first; second <= three.size(); ++second) {
            Answers answers;
            std::vector<int> statuses;
            const auto note = [&statuses](int status) { statuses.push_back(status); };
            ASSERT_TRUE(answers.receive(three.substr(0, first), note));
            ASSERT_TRUE(answers.receive(three.substr(first, second - first), note));
            ASSERT_TRUE(answers.receive(three.substr(second), note));
            ASSERT_EQ(statuses, (std::vector{200, 204, 401})) << first << ' ' << second;
        }
}

TEST(Answers, TellWhatTheyDoNotUnderstand)
{
    const auto ignore = [](int) {};
    EXPECT_FALSE(Answers{}.receive("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ignore));
    EXPECT_FALSE(Answers{}.receive("HTTP/1.1 200 OK\r\n\r\n", ignore));
    EXPECT_FALSE(Answers{}.receive("SSH-2.0-OpenSSH\r\n\r\n", ignore));
}

TEST(Latencies, AreRightWithinTheWidthOfABucket)
{
    Latencies latencies;
    for (int i = 1; i <= 1000; ++i)
        latencies.add(i * 100us);
    EXPECT_EQ(latencies.total(), 1000U);
    EXPECT_NEAR(latencies.quantile_ms(0.5), 50, 50 * 0.016);
    EXPECT_NEAR(latencies.quantile_ms(0.99), 99, 99 * 0.016);
    EXPECT_DOUBLE_EQ(latencies.max_ms(), 100);
}

TEST(Latencies, OfEveryMagnitudeHaveABucket)
{
    for (const std::chrono::nanoseconds duration : {0ns, 1ns, 1023ns, 1024ns, 1'000'000ns, 60'000'000'000ns}) {
        Latencies latencies;
        latencies.add(duration);
        latencies.add(1h); // no quantile is beyond the longest
        const double milliseconds = double(duration.count()) / 1e6;
        EXPECT_NEAR(latencies.quantile_ms(0.4), milliseconds, 0.001024 + milliseconds * 0.016);
        EXPECT_GE(latencies.quantile_ms(0.4), milliseconds);
    }
    EXPECT_EQ(Latencies{}.quantile_ms(0.99), 0);
}

} // namespace
} // namespace belay::bench
