#include "belayd/hooks/rate_limiter.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace belay::hooks {
namespace {

using namespace std::chrono_literals;
using config::RateLimit;

constexpr Bucket::Clock::time_point start{1'000'000s}; // any time
constexpr auto free_now = Bucket::Clock::duration::zero();

TEST(Bucket, GivesItsTokensAtOnceAndThenAsTheyComeIn)
{
    Bucket bucket;
    const RateLimit limit{60, 1min};
    for (int i = 0; i < 60; ++i)
        EXPECT_EQ(bucket.take(limit, start), free_now) << i;
    EXPECT_EQ(bucket.take(limit, start), 1s);
    EXPECT_EQ(bucket.take(limit, start + 300ms), 700ms) << "a refusal costs nothing";
    EXPECT_EQ(bucket.take(limit, start + 1s), free_now);
    EXPECT_EQ(bucket.take(limit, start + 1s), 1s);
    EXPECT_EQ(bucket.take(limit, start + 4s), free_now);
    EXPECT_EQ(bucket.take(limit, start + 4s), free_now);
    EXPECT_EQ(bucket.take(limit, start + 4s), free_now);
    EXPECT_EQ(bucket.take(limit, start + 4s), 1s);
}

TEST(Bucket, IsNeverMoreThanFull)
{
    Bucket bucket;
    const RateLimit limit{2, 10s};
    EXPECT_EQ(bucket.take(limit, start), free_now);
    EXPECT_EQ(bucket.take(limit, start + 24h), free_now);
    EXPECT_EQ(bucket.take(limit, start + 24h), free_now);
    EXPECT_EQ(bucket.take(limit, start + 24h), 5s);
}

TEST(Bucket, IsNeverMoreThanEmpty)
{
    Bucket bucket;
    EXPECT_EQ(bucket.take({1, 24h}, start), free_now);
    EXPECT_EQ(bucket.take({1, 2s}, start), 2s) << "of another limit";
}

TEST(Bucket, GivesExactlyAsManyWhereTheyDoNotDivide)
{
    Bucket bucket;
    const RateLimit limit{7, 1s};
    for (int i = 0; i < 7; ++i)
        EXPECT_EQ(bucket.take(limit, start), free_now) << i;
    EXPECT_GT(bucket.take(limit, start), free_now);
}

TEST(Bucket, GivesNoTokenTwiceToTwoThreads)
{
    Bucket bucket;
    std::atomic<int> taken{0};
    const auto take_many = [&] {
        for (int i = 0; i < 10'000; ++i)
            if (bucket.take({5'000, 24h}, start) == free_now)
                ++taken;
    };
    std::thread other{take_many};
    take_many();
    other.join();
    EXPECT_EQ(taken, 5'000);
}

TEST(RateLimiter, KeepsABucketForEachSourceOfEachHook)
{
    RateLimiter limiter;
    const RateLimit limit{1, 1min};
    const auto a = limiter.of_sources("a", limit);
    const auto b = limiter.of_sources("b", limit);
    EXPECT_EQ(limiter.take(a, "192.0.2.1", limit, start), free_now);
    EXPECT_EQ(limiter.take(a, "192.0.2.1", limit, start), 1min);
    EXPECT_EQ(limiter.take(a, "192.0.2.2", limit, start), free_now);
    EXPECT_EQ(limiter.take(b, "192.0.2.1", limit, start), free_now);
    EXPECT_EQ(limiter.of_sources("a", limit), a);
    EXPECT_NE(limiter.of_sources("a", {2, 1min}), a) << "another limit begins anew";
}

TEST(RateLimiter, KeepsABucketOfAHookAsLongAsItsLimitIsTheSame)
{
    RateLimiter limiter;
    const auto first = limiter.of_hook("a", {1, 1min});
    EXPECT_EQ(limiter.of_hook("a", {1, 1min}), first);
    EXPECT_NE(limiter.of_hook("b", {1, 1min}), first);
    EXPECT_NE(limiter.of_hook("a", {2, 1min}), first);
}

TEST(RateLimiter, GivesNobodyTokensForPushingOthersOut)
{
    RateLimiter limiter;
    const RateLimit limit{10, 1h};
    const auto hook = limiter.of_sources("a", limit);
    const auto take = [&](int source) { return limiter.take(hook, std::to_string(source), limit, start) == free_now; };
    for (int i = 0; i < 10; ++i)
        EXPECT_TRUE(take(-1));
    EXPECT_FALSE(take(-1)) << "who has spent all";
    long taken = 0;
    for (int round = 0; round < 4; ++round) // three times as many sources as there are places
        for (int source = 0; source < 200'000; ++source)
            taken += take(source) ? 1 : 0;
    EXPECT_FALSE(take(-1)) << "was not forgotten for them";
    EXPECT_LE(taken, 65'536 * 10);
    EXPECT_GE(taken, 65'536 * 9) << "and they had what there was";
}

TEST(RateLimiter, MakesRoomOfWhatIsFullAgain)
{
    RateLimiter limiter;
    const RateLimit limit{1, 1s};
    const auto hook = limiter.of_sources("a", limit);
    for (int second = 0; second < 10; ++second)
        for (int source = 0; source < 20'000; ++source)
            (void)limiter.take(hook, std::to_string(second * 20'000 + source), limit, start + second * 1s);
    EXPECT_EQ(limiter.take(hook, "new", limit, start + 10s), free_now);
}

TEST(RateLimiter, PassesOnWhatIsNotFull)
{
    RateLimiter limiter;
    const RateLimit limit{2, 1min};
    const auto hook = limiter.of_sources("a", limit);
    const auto bucket = limiter.of_hook("a", limit);
    const auto full = limiter.of_hook("full", limit);
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(limiter.take(hook, "spent", limit, start), free_now);
        EXPECT_EQ(bucket->take(limit, start), free_now);
    }
    EXPECT_EQ(limiter.take(hook, "half", limit, start), free_now);
    const boost::json::value handed = limiter.to_json(start);
    EXPECT_EQ(handed.at("sources").as_array().size(), 4U);
    EXPECT_EQ(handed.at("hooks").as_object().size(), 1U);

    RateLimiter successor{handed};
    const auto same = successor.of_sources("a", limit);
    EXPECT_EQ(successor.take(same, "spent", limit, start), 30s);
    EXPECT_EQ(successor.take(same, "half", limit, start), free_now);
    EXPECT_EQ(successor.take(same, "half", limit, start), 30s);
    EXPECT_EQ(successor.take(same, "new", limit, start), free_now);
    EXPECT_EQ(successor.of_hook("a", limit)->take(limit, start), 30s);
    EXPECT_EQ(successor.of_hook("full", limit)->take(limit, start), free_now);

    RateLimiter changed{handed};
    EXPECT_EQ(changed.of_hook("a", {3, 1min})->take({3, 1min}, start), free_now) << "another limit begins anew";
    EXPECT_EQ(boost::json::value(limiter.to_json(start + 1h)).at("sources").as_array().size(), 0U);
    EXPECT_ANY_THROW(RateLimiter{boost::json::value{}});
    const boost::json::value half = boost::json::object{{"key", {1, 2}}};
    EXPECT_ANY_THROW(RateLimiter{half});
}

TEST(SourceOf, IsAnAddressOrTheNetworkOfASite)
{
    EXPECT_EQ(source_of("192.0.2.1"), source_of("::ffff:192.0.2.1"));
    EXPECT_NE(source_of("192.0.2.1"), source_of("192.0.2.2"));
    EXPECT_EQ(source_of("2001:db8::1"), source_of("2001:db8:0:0:ffff::1"));
    EXPECT_NE(source_of("2001:db8::1"), source_of("2001:db8:0:1::1"));
    EXPECT_NE(source_of("unix"), source_of("192.0.2.1"));
}

} // namespace
} // namespace belay::hooks
