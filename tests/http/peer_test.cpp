#include "http/peer.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

namespace belay::http {
namespace {

Peer peer_of_ipv6(const char* text)
{
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(4711);
    EXPECT_EQ(::inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    sockaddr_storage address{};
    std::memcpy(&address, &v6, sizeof v6);
    return peer_of(address);
}

TEST(Peer, HasOneAddressWhicheverListenerItCameBy)
{
    EXPECT_EQ(peer_of_ipv6("::ffff:192.0.2.7").address, "192.0.2.7") << "by one for both";
    EXPECT_EQ(peer_of_ipv6("::ffff:192.0.2.7").port, 4711);
    EXPECT_FALSE(peer_of_ipv6("::ffff:192.0.2.7").loopback);
    EXPECT_EQ(peer_of_ipv6("::ffff:127.0.0.1").address, "127.0.0.1");
    EXPECT_TRUE(peer_of_ipv6("::ffff:127.0.0.1").loopback);
    EXPECT_EQ(peer_of_ipv6("2001:db8::7").address, "2001:db8::7");
    EXPECT_TRUE(peer_of_ipv6("::1").loopback);
}

} // namespace
} // namespace belay::http
