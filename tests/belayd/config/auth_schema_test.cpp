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
std::vector<std::string> errors_in_text(const std::string& text)
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
    return errors_in_text("[hooks.a]\nrun = [\"/bin/true\"]\nauth = " + text + "\n");
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

TEST(Jwt, SaysWhoseTokensAndWhatTheyClaim)
{
    const Auth auth =
        auth_of("{ scheme = 'jwt', jwks_file = 'a.json', key_file = ['b.pem'], secret_env = 'C', issuer = "
                "'https://ci', audience = 'belay', algorithms = ['HS256', 'EdDSA'], leeway = '1500ms', "
                "claims = { repository = ['o/a', 'o/b'], run = 7, 'protected.ref' = true } }");
    EXPECT_EQ(auth.scheme.name, "jwt");
    JwtRules rules;
    rules.algorithms = {JwtRules::Algorithm::hs256, JwtRules::Algorithm::eddsa};
    rules.issuer = "https://ci";
    rules.audience = {"belay"};
    rules.leeway = std::chrono::seconds{2};
    rules.claims = {{"repository", {std::string{"o/a"}, std::string{"o/b"}}}, {"run", {std::int64_t{7}}},
        {"protected.ref", {true}}};
    EXPECT_EQ(auth.jwt, rules);
    ASSERT_EQ(auth.secrets.size(), 3U);
    EXPECT_EQ(auth.secrets[0].kind, SecretSource::Kind::environment);
    EXPECT_EQ(auth.secrets[1].kind, SecretSource::Kind::public_key);
    EXPECT_EQ(auth.secrets[2].kind, SecretSource::Kind::key_set);
    EXPECT_EQ(auth_of("{ scheme = 'jwt', key_file = 'b.pem', issuer = 'i', audience = 'a' }").jwt.leeway,
        std::chrono::seconds{60});
}

TEST(Jwt, NeedsAnIssuerAndAnAudience)
{
    const auto errors_with = [](const std::string& rest) {
        return errors_of_auth("{ scheme = 'jwt', key_file = 'b.pem'" + rest + " }");
    };
    EXPECT_THAT(errors_with(""), ElementsAre(HasSubstr("a jwt needs issuer = "), HasSubstr("a jwt needs audience = ")));
    const std::string both = ", issuer = 'i', audience = 'a'";
    EXPECT_THAT(errors_with(both), ElementsAre());
    EXPECT_THAT(errors_with(", issuer = '', audience = 'a'"), ElementsAre(HasSubstr("issuer is empty")));
    EXPECT_THAT(errors_with(", issuer = 'i', audience = []"), ElementsAre(HasSubstr("audience is empty")));
    EXPECT_THAT(errors_with(", issuer = 'i', audience = ['']"), ElementsAre(HasSubstr("audience has an empty name")));
    EXPECT_THAT(errors_with(both + ", algorithms = []"), ElementsAre(HasSubstr("algorithms is empty")));
    EXPECT_THAT(errors_with(both + ", algorithms = 'none'"),
        ElementsAre(HasSubstr("must be one of \"HS256\", \"RS256\", \"ES256\", \"EdDSA\"")));
    EXPECT_THAT(errors_with(both + ", claims = 'x'"), ElementsAre(HasSubstr("claims must be a table")));
    EXPECT_THAT(errors_with(both + ", claims = { a = [] }"), ElementsAre(HasSubstr("claims.a is empty")));
    EXPECT_THAT(errors_with(both + ", claims = { a = 1.5 }"), ElementsAre(HasSubstr("claims.a must be a string")));
    EXPECT_THAT(errors_with(both + ", leeway = '2h'"), ElementsAre(HasSubstr("leeway")));
    EXPECT_THAT(errors_with(both + ", issuers = 'i'"), ElementsAre(HasSubstr("did you mean \"issuer\"?")));
    EXPECT_THAT(errors_with(both + ", tolerance = '1m'"), ElementsAre(HasSubstr("tolerance means nothing with jwt")));
    EXPECT_THAT(errors_of_auth("{ scheme = 'jwt', issuer = 'i', audience = 'a' }"),
        ElementsAre(HasSubstr("auth names no secret: add key_file, jwks_file, or for HS256 secret_file")));
}

TEST(Jwt, AloneHasPublicKeys)
{
    EXPECT_THAT(errors_of_auth("{ scheme = 'github', key_file = 'a.pem' }"),
        ElementsAre(HasSubstr("key_file is for scheme = \"jwt\": another has its secret in secret_file")));
    EXPECT_THAT(errors_of_auth("{ scheme = 'basic', jwks_file = 'a.json' }"),
        ElementsAre(HasSubstr("jwks_file is for scheme = \"jwt\"")));
    EXPECT_THAT(errors_of_auth("{ scheme = 'github', secret_env = 'A', issuer = 'i' }"),
        ElementsAre(HasSubstr("unknown key \"issuer\" in auth")));
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
    EXPECT_THAT(errors_in_text("[ingress]\ntrusted_proxies = ['127.0.0.1/8', 'Unix']"),
        ElementsAre(
            HasSubstr("2:20: trusted_proxies \"127.0.0.1/8\" is an address in a network: write \"127.0.0.0/8\""),
            HasSubstr("2:35: trusted_proxies \"Unix\" is no network")));
    EXPECT_THAT(
        errors_in_text("[ingress]\ntrusted_proxies = true"), ElementsAre(HasSubstr("2:19: trusted_proxies must be")));
}

} // namespace
} // namespace belay::config
