#include "belayd/hooks/encoding.hpp"
#include "belayd/hooks/token_verifier.hpp"
#include "sample_request.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace belay::hooks {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

const std::string secret = "0123456789abcdef0123456789abcdef";
constexpr std::chrono::sys_seconds now{1'700'000'000s};
constexpr const char* header = R"({"alg":"HS256"})";
constexpr const char* sound =
    R"({"iss":"https://ci","aud":"belay","exp":1700000060,"repository":"org/repo","n":7,"ok":true})";

std::string encode(std::string_view bytes)
{
    return to_base64url(bytes_of(bytes));
}

std::string make_token(std::string_view head, std::string_view claims, const std::string& key = secret)
{
    const std::string message = encode(head) + "." + encode(claims);
    const Mac mac{"SHA256", key};
    const std::string_view view = message;
    const Digest digest = mac.digest({&view, 1});
    return message + "." + encode({reinterpret_cast<const char*>(digest.bytes.data()), digest.size});
}

config::JwtRules rules()
{
    config::JwtRules made;
    made.issuer = "https://ci";
    made.audience = {"other", "belay"};
    made.claims["repository"] = {std::string{"org/repo"}, std::string{"org/two"}};
    made.claims["n"] = {std::int64_t{7}};
    made.claims["ok"] = {true};
    return made;
}

Verdict verify_fields(SampleRequest::Fields fields, std::chrono::sys_seconds when = now)
{
    std::vector<TokenVerifier::Key> keys;
    keys.push_back({JwtKey::from_secret(secret), 3, {}});
    const TokenVerifier verifier{rules(), std::move(keys)};
    const SampleRequest request{"{}", std::move(fields)};
    return verifier.verify(request, when);
}

Verdict verify(const std::string& token, std::chrono::sys_seconds when = now)
{
    return verify_fields({{"Authorization", "Bearer " + token}}, when);
}

std::string fault_in_claims(const std::string& claims)
{
    const Verdict verdict = verify(make_token(header, claims));
    EXPECT_FALSE(verdict.authentic) << claims;
    EXPECT_EQ(verdict.key, 3U) << claims;
    return verdict.why_not;
}

TEST(TokenVerifier, AcceptsASoundToken)
{
    EXPECT_TRUE(verify(make_token(header, sound)).authentic) << verify(make_token(header, sound)).why_not;
    EXPECT_EQ(verify(make_token(header, sound)).key, 3U);
    EXPECT_TRUE(verify(make_token(R"({"typ":"JWT","alg":"HS256","kid":"any"})", sound)).authentic);
    EXPECT_TRUE(verify_fields({{"authorization", "bearer " + make_token(header, sound)}}).authentic);
}

TEST(TokenVerifier, RefusesWhatIsNotSigned)
{
    const std::string good = make_token(header, sound);
    std::vector<std::string> bad{"", ".", "..", good + ".", good + "=", good.substr(0, good.size() - 1), "x" + good,
        make_token(header, sound, std::string(32, 'x')), make_token(R"({"alg":"none"})", sound),
        encode(R"({"alg":"none"})") + "." + encode(sound) + ".", make_token(R"({"alg":"HS512"})", sound),
        make_token(R"({"alg":"hs256"})", sound), make_token(R"({"alg":"RS256"})", sound), make_token("{}", sound),
        make_token(R"({"alg":["HS256"]})", sound), make_token(R"({"alg":"HS256","crit":["exp"]})", sound),
        make_token(R"({"alg":"HS256","b64":false})", sound), make_token(R"({"alg":"none","alg":"HS256"})", sound),
        make_token(R"({"alg":"HS256","\u0061lg":"HS256"})", sound), make_token(R"({"alg":"HS256","kid":7})", sound),
        make_token("nonsense", sound), make_token(header, std::string(20'000, ' ') + sound)};
    for (const std::string& token : bad) {
        const Verdict verdict = verify(token);
        EXPECT_FALSE(verdict.authentic) << token;
        EXPECT_EQ(verdict.key, std::nullopt) << token;
        EXPECT_EQ(verdict.why_not, "the request has no token that is signed with a key of this hook");
    }
    EXPECT_FALSE(verify_fields({}).authentic);
    EXPECT_FALSE(verify_fields({{"Authorization", "Basic " + good}}).authentic);
    EXPECT_FALSE(verify_fields({{"Authorization", "Bearer " + good}, {"Authorization", "Bearer " + good}}).authentic);
    EXPECT_FALSE(verify_fields({{"X-Authorization", "Bearer " + good}}).authentic);
}

TEST(TokenVerifier, ReadsWhatATokenClaims)
{
    EXPECT_THAT(fault_in_claims(R"({"aud":"belay","exp":1700000060})"), HasSubstr("\"iss\""));
    EXPECT_THAT(fault_in_claims(R"({"iss":"https://ci/","aud":"belay","exp":1700000060})"), HasSubstr("\"iss\""));
    EXPECT_THAT(fault_in_claims(R"({"iss":"https://ci","exp":1700000060})"), HasSubstr("\"aud\""));
    EXPECT_THAT(fault_in_claims(R"({"iss":"https://ci","aud":"Belay","exp":1700000060})"), HasSubstr("\"aud\""));
    EXPECT_THAT(fault_in_claims(R"({"iss":"https://ci","aud":["a",7],"exp":1700000060})"), HasSubstr("\"aud\""));
    EXPECT_THAT(fault_in_claims(R"({"iss":"https://ci","aud":"belay"})"), HasSubstr("\"exp\""));
    EXPECT_THAT(fault_in_claims(R"({"iss":"https://ci","aud":"belay","exp":"1700000060"})"), HasSubstr("\"exp\""));
    EXPECT_THAT(fault_in_claims(R"({"iss":"https://ci","aud":"belay","exp":1e300})"), HasSubstr("\"exp\""));
    EXPECT_THAT(
        fault_in_claims(R"({"iss":"https://ci","aud":"belay","exp":1700000060,"nbf":"x"})"), HasSubstr("\"nbf\""));
    EXPECT_THAT(fault_in_claims(R"({"iss":"https://ci","aud":"belay","exp":1700000060})"), HasSubstr("\"n\""));
    const auto with = [](const std::string& rest) {
        return R"({"iss":"https://ci","aud":["belay"],"exp":1700000060,)" + rest + "}";
    };
    EXPECT_TRUE(verify(make_token(header, with(R"("repository":"org/two","n":7,"ok":true)"))).authentic);
    EXPECT_THAT(fault_in_claims(with(R"("repository":"org/three","n":7,"ok":true)")), HasSubstr("\"repository\""));
    EXPECT_THAT(fault_in_claims(with(R"("repository":["org/repo"],"n":7,"ok":true)")), HasSubstr("\"repository\""));
    EXPECT_THAT(fault_in_claims(with(R"("repository":"org/repo","n":"7","ok":true)")), HasSubstr("\"n\""));
    EXPECT_THAT(fault_in_claims(with(R"("repository":"org/repo","n":7,"ok":"true")")), HasSubstr("\"ok\""));
    EXPECT_THAT(
        fault_in_claims(with(R"("repository":"evil","n":7,"ok":true,"repository":"org/repo")")), HasSubstr("twice"));
    EXPECT_THAT(fault_in_claims("[]"), HasSubstr("no JSON object"));
}

TEST(TokenVerifier, AllowsTheClocksSomeLeeway)
{
    const std::string token = make_token(header,
        R"({"iss":"https://ci","aud":"belay","exp":1700000600,"nbf":1700000000,"iat":1700000000,"repository":"org/repo",)"
        R"("n":7,"ok":true})");
    EXPECT_TRUE(verify(token, now - 60s).authentic);
    EXPECT_THAT(verify(token, now - 61s).why_not, HasSubstr("the token begins 61 s from now"));
    EXPECT_TRUE(verify(token, now + 659s).authentic);
    EXPECT_THAT(verify(token, now + 660s).why_not, HasSubstr("the token ended 60 s ago"));
}

TEST(TokenVerifier, HasATimeOrRefuses)
{
    const auto with = [](const std::string& times) {
        return verify(make_token(
            header, R"({"iss":"https://ci","aud":"belay","repository":"org/repo","n":7,"ok":true,)" + times + "}"));
    };
    EXPECT_TRUE(with(R"("exp":1700000060.5)").authentic);
    EXPECT_TRUE(with(R"("exp":1.70000006e9)").authentic);
    EXPECT_TRUE(with(R"("exp":1700000060,"nbf":-5)").authentic);
    for (const char* times :
        {R"("exp":-1)", R"("exp":0)", R"("exp":1e400)", R"("exp":18446744073709551616)", R"("exp":1e12)",
            R"("exp":"1700000060")", R"("exp":null)", R"("exp":[1700000060])", R"("exp":1700000060,"nbf":"0")",
            R"("exp":1700000060,"iat":1e400)", R"("exp":1700000060,"nbf":1e99)", R"("exp":1,"exp":1700000060)"})
        EXPECT_FALSE(with(times).authentic) << times;
    EXPECT_FALSE(with(R"("exp":1700000060,"deep":)" + std::string(5'000, '[') + std::string(5'000, ']')).authentic);
}

TEST(TokenVerifier, PrefersAKeyThatHasNotEnded)
{
    std::vector<TokenVerifier::Key> keys;
    keys.push_back({JwtKey::from_secret(secret), 0, now - 1s});
    const SampleRequest request{"{}", {{"Authorization", "Bearer " + make_token(header, sound)}}};
    {
        const TokenVerifier ended{rules(), {}};
        EXPECT_FALSE(ended.verify(request, now).authentic);
    }
    keys.push_back({JwtKey::from_secret(secret), 1, now});
    const TokenVerifier both{rules(), std::move(keys)};
    EXPECT_TRUE(both.verify(request, now).authentic);
    EXPECT_EQ(both.verify(request, now).key, 1U);
    EXPECT_FALSE(both.verify(request, now + 1s).authentic) << "both have ended";
}

} // namespace
} // namespace belay::hooks
