#include "http/server_context.hpp"

#include <gtest/gtest.h>

namespace belay::http {
namespace {

const Peer remote{.address = "192.0.2.7", .port = 1, .loopback = false};
const Peer other{.address = "192.0.2.8", .port = 1, .loopback = false};
const Peer proxy{.address = "127.0.0.1", .port = 1, .loopback = true};

TEST(ConnectionCaps, CountsRemotePeersByAddress)
{
    Limits limits;
    limits.connections_per_address = 2;
    ConnectionCaps caps{limits};
    EXPECT_TRUE(caps.try_acquire(remote));
    EXPECT_TRUE(caps.try_acquire(remote));
    EXPECT_FALSE(caps.try_acquire(remote));
    EXPECT_TRUE(caps.try_acquire(other));
    for (int i = 0; i < 10; ++i)
        EXPECT_TRUE(caps.try_acquire(proxy));
    caps.release(remote);
    EXPECT_TRUE(caps.try_acquire(remote));
    EXPECT_EQ(caps.refused().address, 1U);
    EXPECT_EQ(caps.refused().total, 0U);
}

TEST(ConnectionCaps, CountsAllTogether)
{
    Limits limits;
    limits.connections = 3;
    limits.connections_per_address = 1;
    ConnectionCaps caps{limits};
    EXPECT_TRUE(caps.try_acquire(remote));
    EXPECT_FALSE(caps.try_acquire(remote)); // must not take a place
    EXPECT_TRUE(caps.try_acquire(proxy));
    EXPECT_TRUE(caps.try_acquire(proxy));
    EXPECT_FALSE(caps.try_acquire(proxy));
    caps.release(proxy);
    EXPECT_TRUE(caps.try_acquire(other));
    EXPECT_EQ(caps.refused().address, 1U);
    EXPECT_EQ(caps.refused().total, 1U);
}

TEST(BodyBudget, GivesOutNoMoreThanItHas)
{
    BodyBudget budget{100};
    EXPECT_TRUE(budget.try_reserve(60));
    EXPECT_FALSE(budget.try_reserve(41));
    EXPECT_FALSE(budget.try_reserve(~Bytes{0}));
    EXPECT_TRUE(budget.try_reserve(40));
    budget.release(100);
    EXPECT_EQ(budget.used(), 0U);
}

} // namespace
} // namespace belay::http
