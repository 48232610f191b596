#include "belayd/config/load.hpp"
#include "belayd/hooks/authenticator.hpp"
#include "github_signature.hpp"
#include "sample_request.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace belay::hooks {
namespace {

config::Auth auth_of(const std::string& text)
{
    const auto config = config::parse_config("[hooks.a]\nrun = ['/bin/true']\nauth = " + text + "\n", "f.toml");
    return config.hooks.at("a").auth;
}

Verdict verify(const Authenticator& authenticator, const std::string& client, const SampleRequest::Fields& fields = {})
{
    const SampleRequest request{"{}", fields};
    return authenticator.verify({request, {}, client});
}

TEST(Authenticator, HearsOnlyAllowedAddresses)
{
    const Authenticator alone{auth_of("{ addresses = ['192.0.2.0/24', '2001:db8::/32'] }"), "/"};
    EXPECT_TRUE(verify(alone, "192.0.2.7").authentic);
    EXPECT_TRUE(verify(alone, "2001:db8::7").authentic);
    for (const char* client : {"192.0.3.7", "2001:db9::7", "127.0.0.1", "unix", "unknown", ""}) {
        const Verdict verdict = verify(alone, client);
        EXPECT_FALSE(verdict.authentic) << client;
        EXPECT_EQ(verdict.status, 403) << client;
        EXPECT_EQ(verdict.why_not, "requests to this hook are not taken from this address") << client;
    }
    EXPECT_EQ(alone.scheme(), nullptr);
}

TEST(Authenticator, WantsTheSignatureTooWhereBothAreSaid)
{
    ::setenv("BELAY_TEST_SECRET", "hush", 1);
    config::Auth auth = auth_of("{ scheme = 'github', secret_env = 'SECRET', addresses = '192.0.2.0/24' }");
    auth.secrets.front().name = "BELAY_TEST_SECRET";
    const Authenticator both{auth, "/"};
    const SampleRequest::Fields sound{{"X-Hub-Signature-256", github_signature("hush", "{}")}};
    EXPECT_TRUE(verify(both, "192.0.2.7", sound).authentic);
    EXPECT_EQ(verify(both, "192.0.2.7").status, 401);
    EXPECT_EQ(verify(both, "192.0.3.7").status, 403);
    const Verdict elsewhere = verify(both, "192.0.3.7", sound);
    EXPECT_EQ(elsewhere.status, 403);
    EXPECT_EQ(elsewhere.key, std::nullopt) << "nobody looked";
}

} // namespace
} // namespace belay::hooks
