#include "base/ip_network.hpp"

#include <gtest/gtest.h>

namespace belay {
namespace {

bool contains(std::string_view network, std::string_view address)
{
    return parse_ip_network(network).value().contains(parse_ip_address(address).value());
}

TEST(IpAddress, IsTheSameHoweverItIsWritten)
{
    EXPECT_EQ(parse_ip_address("192.0.2.7"), parse_ip_address("::ffff:192.0.2.7"));
    EXPECT_EQ(parse_ip_address("192.0.2.7"), parse_ip_address("::ffff:c000:207"));
    EXPECT_EQ(parse_ip_address("2001:db8::1"), parse_ip_address("2001:0DB8:0:0:0:0:0:1"));
    EXPECT_NE(parse_ip_address("192.0.2.7"), parse_ip_address("::192.0.2.7"));
    EXPECT_EQ(to_string(*parse_ip_address("::ffff:192.0.2.7")), "192.0.2.7");
    EXPECT_EQ(to_string(*parse_ip_address("2001:0DB8::0:1")), "2001:db8::1");
}

TEST(IpAddress, IsNothingElse)
{
    for (const char* text : {"", "unix", "192.0.2", "192.0.2.07", "192.0.2.256", "192.0.2.7:80", "[::1]",
             "fe80::1%eth0", " 192.0.2.7", "192.0.2.7 ", "0x7f.1", "1", "::1::", "1:2:3:4:5:6:7:8:9",
             "0000:0000:0000:0000:0000:ffff:192.168.100.2281"})
        EXPECT_FALSE(parse_ip_address(text)) << text;
    EXPECT_FALSE(parse_ip_address(std::string_view{"192.0.2.7\0", 10}));
}

TEST(IpNetwork, ContainsWhatBeginsAlike)
{
    EXPECT_TRUE(contains("192.0.2.0/24", "192.0.2.0"));
    EXPECT_TRUE(contains("192.0.2.0/24", "192.0.2.255"));
    EXPECT_FALSE(contains("192.0.2.0/24", "192.0.3.0"));
    EXPECT_FALSE(contains("192.0.2.0/24", "192.0.1.255"));
    EXPECT_TRUE(contains("192.0.2.8/29", "192.0.2.15"));
    EXPECT_FALSE(contains("192.0.2.8/29", "192.0.2.16"));
    EXPECT_TRUE(contains("2001:db8::/33", "2001:db8:7fff::1"));
    EXPECT_FALSE(contains("2001:db8::/33", "2001:db8:8000::1"));
    EXPECT_TRUE(contains("0.0.0.0/0", "255.255.255.255"));
    EXPECT_TRUE(contains("::/0", "2001:db8::1"));
}

TEST(IpNetwork, IsOneAddressWithoutALength)
{
    EXPECT_TRUE(contains("198.51.100.7", "198.51.100.7"));
    EXPECT_FALSE(contains("198.51.100.7", "198.51.100.6"));
    EXPECT_TRUE(contains("2001:db8::7", "2001:db8::7"));
    EXPECT_FALSE(contains("2001:db8::7", "2001:db8::6"));
    EXPECT_EQ(parse_ip_network("198.51.100.7"), parse_ip_network("198.51.100.7/32"));
    EXPECT_EQ(parse_ip_network("2001:db8::7"), parse_ip_network("2001:db8::7/128"));
}

TEST(IpNetwork, TakesAMappedAddressForTheOneThatItMaps)
{
    EXPECT_TRUE(contains("192.0.2.0/24", "::ffff:192.0.2.7"));
    EXPECT_TRUE(contains("::ffff:192.0.2.0/120", "192.0.2.7"));
    EXPECT_FALSE(contains("::ffff:192.0.2.0/120", "192.0.3.7"));
    EXPECT_FALSE(contains("::/0", "192.0.2.7")) << "who allows all of IPv6 has said nothing of IPv4";
    EXPECT_FALSE(contains("0.0.0.0/0", "2001:db8::1"));
}

TEST(IpNetwork, IsShownWhereItWasMeant)
{
    EXPECT_FALSE(parse_ip_network("192.0.2.7/24"));
    EXPECT_EQ(fault_in_ip_network("192.0.2.7/24"),
        "is an address in a network: write \"192.0.2.0/24\", or the address alone");
    EXPECT_FALSE(parse_ip_network("2001:db8::1/32"));
    EXPECT_EQ(fault_in_ip_network("2001:db8::1/32"),
        "is an address in a network: write \"2001:db8::/32\", or the address alone");
    EXPECT_EQ(
        fault_in_ip_network("127.0.0.1/8"), "is an address in a network: write \"127.0.0.0/8\", or the address alone");
    EXPECT_EQ(fault_in_ip_network("192.0.2.0/24"), "");
}

TEST(IpNetwork, IsNothingElse)
{
    for (const char* text : {"", "/", "/24", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/+8",
             "192.0.2.0/08", "192.0.2.0/24/24", "192.0.2.0/255.255.255.0", "2001:db8::/129", "192.0.2.0/ 24", "unix",
             "10/8", "192.0.2.0/99999999999"}) {
        EXPECT_FALSE(parse_ip_network(text)) << text;
        EXPECT_EQ(fault_in_ip_network(text), "is no network: write \"192.0.2.0/24\", \"2001:db8::/32\" or an address");
    }
}

TEST(IpNetwork, ReadsBackToTheSame)
{
    for (const char* text : {"192.0.2.0/24", "0.0.0.0/0", "198.51.100.7", "2001:db8::/32", "::/0", "::1"})
        EXPECT_EQ(to_string(parse_ip_network(text).value()), text);
    EXPECT_EQ(to_string(parse_ip_network("::ffff:192.0.2.0/120").value()), "192.0.2.0/24");
}

} // namespace
} // namespace belay
