#include "http/client_address.hpp"

#include <gtest/gtest.h>

#include <initializer_list>

namespace belay::http {
namespace {

TrustedProxies proxies(std::initializer_list<const char*> networks, bool unix_peers = false)
{
    TrustedProxies trusted{.networks = {}, .unix_peers = unix_peers};
    for (const char* network : networks)
        trusted.networks.push_back(parse_ip_network(network).value());
    return trusted;
}

/** @param lines of X-Forwarded-For */
std::string client(const TrustedProxies& trusted, const char* peer_address, std::initializer_list<const char*> lines)
{
    const Peer peer{.address = peer_address};
    std::vector<Field> fields{{"Host", "192.0.2.99"}};
    for (const char* line : lines)
        fields.push_back({"x-Forwarded-for", line});
    Request request;
    request.peer = &peer;
    request.fields = fields;
    return client_address(request, trusted);
}

const TrustedProxies local = proxies({"127.0.0.0/8", "10.0.0.0/8", "2001:db8:1::/48"});

TEST(ClientAddress, IsThePeersUnlessThatIsATrustedProxy)
{
    EXPECT_EQ(client({}, "127.0.0.1", {"192.0.2.1"}), "127.0.0.1");
    EXPECT_EQ(client({}, "unix", {"192.0.2.1"}), "unix");
    EXPECT_EQ(client(local, "198.51.100.1", {"192.0.2.1"}), "198.51.100.1");
    EXPECT_EQ(client(local, "unix", {"192.0.2.1"}), "unix") << "who may connect there is another question";
    EXPECT_EQ(client(proxies({}, true), "unix", {"192.0.2.1"}), "192.0.2.1");
    EXPECT_EQ(client(proxies({}, true), "127.0.0.1", {"192.0.2.1"}), "127.0.0.1");
    EXPECT_EQ(client(local, "127.0.0.1", {"192.0.2.1"}), "192.0.2.1");
    EXPECT_EQ(client(local, "2001:db8:1::1", {"192.0.2.1"}), "192.0.2.1");
    EXPECT_EQ(client(local, "127.0.0.1", {}), "127.0.0.1");
    EXPECT_EQ(client(local, "127.0.0.1", {"", " , "}), "127.0.0.1");
}

TEST(ClientAddress, IsTheRightmostThatIsNoProxy)
{
    EXPECT_EQ(client(local, "127.0.0.1", {"203.0.113.1, 192.0.2.1"}), "192.0.2.1") << "the left one anybody may write";
    EXPECT_EQ(client(local, "127.0.0.1", {"203.0.113.1, 192.0.2.1, 10.1.2.3"}), "192.0.2.1");
    EXPECT_EQ(client(local, "127.0.0.1", {"203.0.113.1", "192.0.2.1", "10.1.2.3,10.1.2.4"}), "192.0.2.1");
    EXPECT_EQ(client(local, "127.0.0.1", {"10.1.2.3", "192.0.2.1"}), "192.0.2.1");
    EXPECT_EQ(client(local, "127.0.0.1", {"192.0.2.1", "10.1.2.3"}), "192.0.2.1") << "lines are one list, in order";
    EXPECT_EQ(client(local, "127.0.0.1", {"192.0.2.1,,\t10.1.2.3 ,"}), "192.0.2.1");
    EXPECT_EQ(client(local, "127.0.0.1", {"10.1.2.5, 10.1.2.3"}), "10.1.2.5") << "all are proxies";
}

TEST(ClientAddress, IsUnknownWhereAProxySaysNoAddress)
{
    for (const char* line :
        {"192.0.2.1, unknown", "192.0.2.1, _hidden", "192.0.2.1, 192.0.2", "192.0.2.1, [2001:db8::1",
            "192.0.2.1, 2001:db8::1]", "192.0.2.1, 192.0.2.1:", "192.0.2.1, 192.0.2.1:http", "192.0.2.1, 10.0.0.1;x",
            "192.0.2.1, nonsense, 10.0.0.1", "192.0.2.1, \"192.0.2.1\"", "192.0.2.1, fe80::1%eth0"})
        EXPECT_EQ(client(local, "127.0.0.1", {line}), unknown_client) << line;
    EXPECT_EQ(client(local, "127.0.0.1", {"nonsense, 192.0.2.1"}), "192.0.2.1") << "nobody looks so far left";
}

TEST(ClientAddress, IsWrittenInOneWay)
{
    EXPECT_EQ(client(local, "127.0.0.1", {"192.0.2.1:4711"}), "192.0.2.1");
    EXPECT_EQ(client(local, "127.0.0.1", {"::ffff:192.0.2.1"}), "192.0.2.1");
    EXPECT_EQ(client(local, "127.0.0.1", {"[2001:0DB8::0:7]:4711"}), "2001:db8::7");
    EXPECT_EQ(client(local, "127.0.0.1", {"[2001:db8::7]"}), "2001:db8::7");
    EXPECT_EQ(client(local, "127.0.0.1", {"2001:db8::7:4711"}), "2001:db8::7:4711");
}

} // namespace
} // namespace belay::http
