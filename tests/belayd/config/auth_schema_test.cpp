#include "belayd/config/load.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Auth auth_of(const std::string& text)
{
    return parse_config("[hooks.a]\nrun = [\"/bin/true\"]\nauth = " + text + "\n", "f.toml").hooks.at("a").auth;
}

/** "LINE:COLUMN: MESSAGE" of each. */
std::vector<std::string> errors_of(const std::string& text)
{
    std::vector<std::string> errors;
    try {
        (void)parse_config(text, "f.toml");
    } catch (const ConfigError& error) {
        for (const auto& [origin, message, line] : error.diagnostics())
            errors.push_back(std::to_string(origin.line) + ":" + std::to_string(origin.column) + ": " + message);
    }
    return errors;
}

std::vector<std::string> errors_of_auth(const std::string& text)
{
    return errors_of("[hooks.a]\nrun = [\"/bin/true\"]\nauth = " + text + "\n");
}

TEST(Addresses, StandBesideASchemeOrAlone)
{
    const Auth beside = auth_of("{ scheme = 'github', secret_env = 'A', addresses = ['192.0.2.0/24', '2001:db8::7'] }");
    EXPECT_FALSE(beside.anybody);
    EXPECT_THAT(beside.addresses, ElementsAre(parse_ip_network("192.0.2.0/24"), parse_ip_network("2001:db8::7")));
    const Auth alone = auth_of("{ addresses = '192.0.2.0/24' }");
    EXPECT_TRUE(alone.anybody);
    EXPECT_THAT(alone.addresses, ElementsAre(parse_ip_network("192.0.2.0/24")));
}

TEST(Addresses, AreNetworksAndAtLeastOne)
{
    EXPECT_THAT(errors_of_auth("{ addresses = ['192.0.2.7/24', '::1', 'example.org'] }"),
        ElementsAre("3:23: addresses \"192.0.2.7/24\" is an address in a network: write \"192.0.2.0/24\", or the "
                    "address alone",
            "3:46: addresses \"example.org\" is no network: write \"192.0.2.0/24\", \"2001:db8::/32\" or an address"));
    EXPECT_THAT(errors_of_auth("{ addresses = [] }"), ElementsAre(HasSubstr("3:10: addresses is empty")));
    EXPECT_THAT(errors_of_auth("{ addresses = [7] }"), ElementsAre(HasSubstr("3:23: each value of addresses must be")));
    EXPECT_THAT(
        errors_of_auth("{ addresses = ['::1'], secret_env = 'A' }"), ElementsAre(HasSubstr("auth has no scheme")));
    EXPECT_THAT(errors_of_auth("{ adresses = ['::1'] }"),
        ::testing::Contains(HasSubstr("unknown key \"adresses\" in auth, did you mean \"addresses\"?")));
}

TEST(TrustedProxies, AreNetworksAndUnix)
{
    const auto proxies = [](const std::string& text) {
        return parse_config("[ingress]\ntrusted_proxies = " + text + "\n", "f.toml").trusted_proxies;
    };
    EXPECT_EQ(proxies("[]"), http::TrustedProxies{});
    EXPECT_EQ(proxies("'unix'"), (http::TrustedProxies{.networks = {}, .unix_peers = true}));
    EXPECT_EQ(proxies("['unix', '127.0.0.1']"),
        (http::TrustedProxies{.networks = {parse_ip_network("127.0.0.1").value()}, .unix_peers = true}));
    EXPECT_EQ(proxies("'10.0.0.0/8'"),
        (http::TrustedProxies{.networks = {parse_ip_network("10.0.0.0/8").value()}, .unix_peers = false}));
    EXPECT_THAT(errors_of("[ingress]\ntrusted_proxies = ['127.0.0.1/8', 'Unix']"),
        ElementsAre(
            HasSubstr("2:20: trusted_proxies \"127.0.0.1/8\" is an address in a network: write \"127.0.0.0/8\""),
            HasSubstr("2:35: trusted_proxies \"Unix\" is no network")));
    EXPECT_THAT(
        errors_of("[ingress]\ntrusted_proxies = true"), ElementsAre(HasSubstr("2:19: trusted_proxies must be")));
}

} // namespace
} // namespace belay::config
