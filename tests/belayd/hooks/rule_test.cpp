#include "belayd/config/load.hpp"
#include "belayd/hooks/rule.hpp"
#include "github_signature.hpp"
#include "sample_request.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>

namespace belay::hooks {
namespace {

using ::testing::HasSubstr;
using Result = Trace::Result;

config::Rule read(const std::string& rule)
{
    const auto config =
        config::parse_config("[hooks.a]\nauth = 'none'\nrun = ['/bin/true']\nwhen = " + rule + "\n", "f.toml");
    return config.hooks.at("a").when.value();
}

/** Asks a rule about a request, both ways: the quick answer and the trace have to agree. */
class Asked {
public:
    Asked(const std::string& rule, const SampleRequest& request, const std::string& address = "192.0.2.7")
        : address_(address), rule_(read(rule)), matcher_(rule_),
          payload_(static_cast<const http::Request&>(request).body,
              static_cast<const http::Request&>(request).field("Content-Type").value_or("")),
          values_(request, address_, payload_, auth_), input_{request, {}, address_},
          trace_(matcher_.evaluate({values_, input_}))
    {
        if (trace_.result == Result::error)
            return;
        const auto mismatch = find_mismatch();
        reason_ = mismatch ? std::string{*mismatch} : "";
        EXPECT_EQ(!mismatch, trace_.result == Result::match) << rule;
        EXPECT_EQ(trace_.culprit() == nullptr, !mismatch) << rule;
        if (mismatch && trace_.culprit() != nullptr) {
            EXPECT_EQ(trace_.culprit()->why, *mismatch) << rule;
        }
    }

    [[nodiscard]] bool matches() const { return trace_.result == Result::match; }
    [[nodiscard]] const std::string& reason() const { return reason_; }
    [[nodiscard]] const Trace& trace() const { return trace_; }
    [[nodiscard]] std::optional<std::string_view> find_mismatch()
    {
        std::vector<SignedBy> signed_by;
        return matcher_.find_mismatch({values_, input_}, signed_by);
    }

private:
    std::string address_;
    config::Auth auth_{.anybody = true, .scheme = {}, .secrets = {}};
    config::Rule rule_;
    Matcher matcher_;
    Payload payload_;
    RequestValues values_;
    Input input_;
    Trace trace_;
    std::string reason_;
};

const std::string body =
    R"({"ref":"refs/heads/main","n":7,"big":9007199254740993,"f":1.5,"yes":true,"no":false,"z":null,"l":[1,"a"],"s":"7",)"
    R"("t":"true","exp":"1e1","nl":"a\nb"})";

bool matches(const std::string& rule)
{
    const SampleRequest request{
        body, {{"X-Event", "push"}, {"X-Count", "12"}, {"X-Bytes", "a\xff z"}}, "n=10&e=&m=-3.5"};
    return Asked{rule, request}.matches();
}

TEST(Matcher, ComparesTexts)
{
    EXPECT_TRUE(matches("{ payload = '/ref', equals = 'refs/heads/main' }"));
    EXPECT_FALSE(matches("{ payload = '/ref', equals = 'refs/heads/mai' }"));
    EXPECT_FALSE(matches("{ payload = '/ref', equals = 'Refs/heads/main' }"));
    EXPECT_TRUE(matches("{ header = 'x-event', equals = 'push' }"));
    EXPECT_TRUE(matches("{ query = 'e', equals = '' }"));
    EXPECT_TRUE(matches("{ request = 'method', equals = 'POST' }"));
    EXPECT_TRUE(matches("{ payload = '/n', equals = '7' }")) << "the text of anything else is compact JSON";
    EXPECT_TRUE(matches("{ payload = '/l', equals = '[1,\"a\"]' }"));
    EXPECT_TRUE(matches("{ payload = '/z', equals = 'null' }"));
    EXPECT_TRUE(matches("{ payload = '/ref', in = ['x', 'refs/heads/main'] }"));
    EXPECT_FALSE(matches("{ payload = '/ref', in = ['x', 'main'] }"));
    EXPECT_TRUE(matches("{ payload = '/ref', prefix = 'refs/heads/' }"));
    EXPECT_FALSE(matches("{ payload = '/ref', prefix = 'heads' }"));
}

TEST(Matcher, ComparesNumbersExactly)
{
    EXPECT_TRUE(matches("{ payload = '/n', equals = 7 }"));
    EXPECT_TRUE(matches("{ payload = '/n', equals = 7.0 }"));
    EXPECT_TRUE(matches("{ payload = '/big', equals = 9007199254740993 }"));
    EXPECT_FALSE(matches("{ payload = '/big', equals = 9007199254740992 }")) << "the same as a double";
    EXPECT_TRUE(matches("{ payload = '/f', equals = 1.5 }"));
    EXPECT_TRUE(matches("{ query = 'n', equals = 10 }"));
    EXPECT_TRUE(matches("{ payload = '/n', in = ['x', 7] }"));
    EXPECT_TRUE(matches("{ query = 'n', more_than = 9 }")) << "not as texts";
    EXPECT_FALSE(matches("{ query = 'n', more_than = 10 }"));
    EXPECT_TRUE(matches("{ query = 'n', at_least = 10 }"));
    EXPECT_FALSE(matches("{ query = 'n', at_least = 10.5 }"));
    EXPECT_TRUE(matches("{ query = 'm', less_than = -3 }"));
    EXPECT_FALSE(matches("{ query = 'm', less_than = -3.5 }"));
    EXPECT_TRUE(matches("{ query = 'm', at_most = -3.5 }"));
    EXPECT_FALSE(matches("{ query = 'm', at_most = -4 }"));
    EXPECT_TRUE(matches("{ header = 'X-Count', less_than = 13 }"));
    const SampleRequest tenth{"{\"a\":0.1,\"u\":18446744073709551615}", {{"A", "0.1"}}};
    for (const char* const rule :
        {"{ payload = '/a', equals = 0.1 }", "{ payload = '/a', at_least = 0.1 }", "{ header = 'A', at_most = 0.1 }",
            "{ header = 'A', in = [0.1] }", "{ payload = '/u', more_than = 9223372036854775807 }"})
        EXPECT_TRUE((Asked{rule, tenth}.matches())) << rule;
}

TEST(Matcher, TakesForANumberOnlyWhatIsOne)
{
    for (const char* text :
        {"", "x", "1x", " 1", "1 ", "+1", ".5", "inf", "nan", "-", "0x10", "1e1", "--1", "infinity"}) {
        const SampleRequest request{"", {{"N", text}}};
        EXPECT_FALSE((Asked{"{ header = 'N', at_least = -1000 }", request}.matches())) << text;
        EXPECT_FALSE((Asked{"{ header = 'N', less_than = 1000 }", request}.matches())) << text;
        EXPECT_FALSE((Asked{"{ header = 'N', equals = 1 }", request}.matches())) << text;
    }
    for (const char* pointer : {"/yes", "/z", "/l", "/ref", "/exp"})
        EXPECT_FALSE(matches(std::string{"{ payload = '"} + pointer + "', at_least = -1000 }")) << pointer;
    EXPECT_TRUE((Asked{"{ payload = '/a', more_than = 1 }", SampleRequest{"{\"a\":1.5e300}"}}.matches()));
}

TEST(Matcher, ComparesBooleans)
{
    EXPECT_TRUE(matches("{ payload = '/yes', equals = true }"));
    EXPECT_FALSE(matches("{ payload = '/yes', equals = false }"));
    EXPECT_TRUE(matches("{ payload = '/no', equals = false }"));
    EXPECT_TRUE(matches("{ payload = '/t', equals = true }"));
    EXPECT_FALSE(matches("{ payload = '/z', equals = false }"));
    EXPECT_FALSE(matches("{ payload = '/n', equals = true }"));
}

TEST(Matcher, MatchesExpressionsAnywhereAndPatternsWhole)
{
    EXPECT_TRUE(matches("{ payload = '/ref', regex = 'heads' }"));
    EXPECT_FALSE(matches("{ payload = '/ref', regex = '^heads' }"));
    EXPECT_TRUE(matches("{ payload = '/ref', regex = '(?i)^REFS/[a-z]+/main$' }"));
    EXPECT_FALSE(matches("{ payload = '/nl', regex = '^b' }"));
    EXPECT_TRUE(matches("{ payload = '/ref', glob = 'refs/heads/*' }"));
    EXPECT_FALSE(matches("{ payload = '/ref', glob = 'heads/*' }"));
    EXPECT_FALSE(matches("{ payload = '/ref', glob = 'refs/heads' }"));
    EXPECT_TRUE(matches("{ payload = '/ref', glob = 'refs/?eads/mai?' }"));
    EXPECT_FALSE(matches("{ payload = '/ref', glob = 'refs/heads/main?' }"));
    EXPECT_TRUE(matches("{ payload = '/ref', glob = '*' }"));
    EXPECT_TRUE(matches("{ payload = '/nl', glob = 'a*b' }"));
    EXPECT_TRUE(matches("{ payload = '/nl', glob = 'a?b' }"));
    EXPECT_TRUE(matches("{ header = 'X-Bytes', glob = 'a* z' }")) << "not valid UTF-8";
    EXPECT_FALSE((Asked{"{ payload = '/a', glob = 'a.c' }", SampleRequest{R"({"a":"abc"})"}}.matches()));
    EXPECT_TRUE((Asked{"{ payload = '/a', glob = 'ü[?]' }", SampleRequest{R"({"a":"ü[é]"})"}}.matches()));
}

TEST(Matcher, TellsWhetherAValueIsThere)
{
    EXPECT_TRUE(matches("{ payload = '/z', exists = true }")) << "null is a value";
    EXPECT_FALSE(matches("{ payload = '/z', exists = false }"));
    EXPECT_TRUE(matches("{ payload = '/none', exists = false }"));
    EXPECT_FALSE(matches("{ header = 'X-None', exists = true }"));
}

TEST(Matcher, MatchesNothingWithAMissingValue)
{
    for (const char* test :
        {"equals = ''", "in = ['']", "regex = ''", "glob = '*'", "prefix = ''", "less_than = 1", "at_least = 0"}) {
        EXPECT_FALSE(matches(std::string{"{ payload = '/none', "} + test + " }")) << test;
        EXPECT_TRUE(matches(std::string{"{ not = { payload = '/none', "} + test + " } }")) << test;
    }
}

TEST(Matcher, LooksForAddressesInNetworks)
{
    const SampleRequest request{""};
    const auto in = [&request](const std::string& networks, const std::string& address) {
        return Asked{"{ request = 'remote_address', in = [" + networks + "] }", request, address}.matches();
    };
    EXPECT_TRUE(in("'198.51.100.0/24', '192.0.2.0/24'", "192.0.2.7"));
    EXPECT_TRUE(in("'192.0.2.0/24'", "::ffff:192.0.2.7"));
    EXPECT_FALSE(in("'192.0.2.0/24'", "192.0.3.7"));
    EXPECT_TRUE(in("'2001:db8::/32'", "2001:db8::7"));
    EXPECT_FALSE(in("'::/0'", "192.0.2.7"));
    EXPECT_FALSE(in("'0.0.0.0/0', '::/0'", "unix"));
    EXPECT_TRUE((Asked{"{ request = 'remote_address', equals = 'unix' }", request, "unix"}.matches()));
}

TEST(Matcher, CombinesRules)
{
    const std::string yes = "{ payload = '/n', equals = 7 }";
    const std::string no = "{ payload = '/n', equals = 8 }";
    EXPECT_TRUE(matches("{ all = [" + yes + ", " + yes + "] }"));
    EXPECT_FALSE(matches("{ all = [" + yes + ", " + no + "] }"));
    EXPECT_FALSE(matches("{ all = [" + no + ", " + yes + "] }"));
    EXPECT_TRUE(matches("{ any = [" + no + ", " + yes + "] }"));
    EXPECT_TRUE(matches("{ any = [" + yes + ", " + no + "] }"));
    EXPECT_FALSE(matches("{ any = [" + no + ", " + no + "] }"));
    EXPECT_FALSE(matches("{ not = " + yes + " }"));
    EXPECT_TRUE(matches("{ not = " + no + " }"));
    EXPECT_TRUE(matches("{ all = [{ not = { any = [" + no + "] } }, { any = [{ all = [" + yes + "] }] }] }"));
}

TEST(Matcher, NamesTheFirstRuleThatDidNotMatchWithoutAValue)
{
    const SampleRequest request{R"({"ref":"secret-branch","n":7})"};
    const auto reason = [&request](const std::string& rule) { return Asked{rule, request}.reason(); };
    EXPECT_EQ(reason("{ payload = '/ref', equals = 'main' }"), "payload \"/ref\" is not \"main\"");
    EXPECT_EQ(reason("{ payload = '/none', equals = 'main' }"), "payload \"/none\" is missing");
    EXPECT_EQ(
        reason("{ all = [{ payload = '/n', equals = 7 }, { all = [{ header = 'H', equals = 'a' }] }, { query = 'q', "
               "exists = true }] }"),
        "header \"H\" is missing");
    EXPECT_EQ(reason("{ not = { payload = '/n', equals = 7 } }"), "payload \"/n\" is 7");
    EXPECT_EQ(reason("{ any = [{ payload = '/ref', equals = 'a' }, { payload = '/none', equals = 'b' }] }"),
        "none of (payload \"/ref\" is \"a\"; payload \"/none\" is \"b\")");
    EXPECT_EQ(reason("{ payload = '/n', equals = 7 }"), "");
}

TEST(Matcher, WritesDownWhatItSawAndWhatItDidNotLookAt)
{
    const SampleRequest request{R"({"ref":"dev","n":7})"};
    const Asked asked{
        "{ all = [{ any = [{ payload = '/n', equals = 7 }, { header = 'H', exists = true }] }, { not = { payload = "
        "'/none', equals = 1 } }, { payload = '/ref', equals = 'main' }, { not = { query = 'q', exists = true } }] }",
        request};
    const Trace& trace = asked.trace();
    EXPECT_EQ(trace.result, Result::mismatch);
    ASSERT_EQ(trace.children.size(), 4U);
    EXPECT_EQ(trace.children[0].result, Result::match);
    EXPECT_EQ(trace.children[0].children.at(0).value, "7");
    EXPECT_EQ(trace.children[0].children.at(1).result, Result::unseen);
    EXPECT_EQ(trace.children[0].children.at(1).value, std::nullopt);
    EXPECT_EQ(trace.children[1].result, Result::match);
    EXPECT_EQ(trace.children[1].children.at(0).result, Result::missing);
    EXPECT_EQ(trace.children[2].value, "dev");
    EXPECT_EQ(trace.children[2].why, "payload \"/ref\" is not \"main\"");
    EXPECT_EQ(trace.culprit(), &trace.children[2]);
    EXPECT_EQ(trace.children[3].result, Result::unseen);
    EXPECT_EQ(trace.children[3].children.at(0).result, Result::unseen);
}

TEST(Matcher, EndsWhereTheRequestCannotBeRead)
{
    const SampleRequest request{"{", {{"H", "a"}}, "q=%"};
    Asked asked{"{ any = [{ header = 'H', equals = 'b' }, { not = { payload = '/a', equals = 1 } }, { header = 'H', "
                "equals = 'a' }] }",
        request};
    EXPECT_THROW((void)asked.find_mismatch(), MalformedPayload) << "not what `not` makes a match of";
    EXPECT_EQ(asked.trace().result, Result::error);
    ASSERT_NE(asked.trace().culprit(), nullptr);
    EXPECT_THAT(asked.trace().culprit()->why, HasSubstr("is not JSON"));
    EXPECT_EQ(asked.trace().children.at(2).result, Result::unseen);
    EXPECT_TRUE(
        (Asked{"{ any = [{ header = 'H', equals = 'a' }, { payload = '/a', equals = 1 }] }", request}.matches()))
        << "a body that nobody asks for may be anything";
}

TEST(Matcher, ReadsFormsToo)
{
    const SampleRequest request{"command=%2Fdeploy&n=10", {{"Content-Type", "application/x-www-form-urlencoded"}}};
    EXPECT_TRUE(
        (Asked{"{ all = [{ payload = '/command', equals = '/deploy' }, { payload = '/n', at_least = 9 }] }", request}
                .matches()));
}

/** A rule whose signatures are by $RULE_SECRET_A and $RULE_SECRET_B; $RULE_SECRET_NONE is not set. */
class SignedRule : public ::testing::Test {
protected:
    SignedRule()
    {
        ::setenv("RULE_SECRET_A", "a", 1);
        ::setenv("RULE_SECRET_B", "b", 1);
    }

    static std::string by(const std::string& name, const std::string& scheme = "scheme = 'github'")
    {
        return "{ signature = { " + scheme + ", secret_env = 'RULE_SECRET_" + name + "' } }";
    }

    static SampleRequest::Fields signed_by(const std::string& secret, const std::string& text)
    {
        return {{"X-Hub-Signature-256", github_signature(secret, text)}};
    }

    /** "match", "mismatch: …", "unknown: …": what both evaluations say. */
    std::string ask(const std::string& rule, const SampleRequest& request,
        const std::vector<std::string>& withheld = {}, Secrets secrets = Secrets::optional)
    {
        const config::Auth anybody{.anybody = true, .scheme = {}, .secrets = {}};
        const config::Rule read_rule = read(rule);
        const Matcher matcher{read_rule, {}, secrets};
        Payload payload{static_cast<const http::Request&>(request).body, "application/json"};
        RequestValues values{request, "192.0.2.7", payload, anybody};
        const Input input{.request = request,
            .now = std::chrono::sys_seconds{std::chrono::seconds{1'700'000'000}},
            .withheld = withheld};
        const Trace trace = matcher.evaluate({values, input});
        detail_ = leaf(trace).detail;
        keys_.clear();
        try {
            const auto mismatch = matcher.find_mismatch({values, input}, keys_);
            EXPECT_EQ(mismatch ? Result::mismatch : Result::match, trace.result) << rule;
            return mismatch ? "mismatch: " + std::string{*mismatch} : "match";
        } catch (const UnknownSignature& unknown) {
            EXPECT_EQ(trace.result, Result::unknown) << rule;
            EXPECT_EQ(trace.culprit(), nullptr);
            return std::string{"unknown: "} + unknown.what();
        }
    }

    /** The first one that was looked at last. */
    static const Trace& leaf(const Trace& trace)
    {
        return trace.children.empty() ? trace : leaf(trace.children.front());
    }

    std::string detail_;
    std::vector<SignedBy> keys_;
};

TEST_F(SignedRule, HoldsWhereTheRequestIsSigned)
{
    const SampleRequest request{body, signed_by("a", body)};
    EXPECT_EQ(ask(by("A"), request), "match");
    EXPECT_EQ(detail_, "RULE_SECRET_A");
    EXPECT_EQ(ask(by("B"), request), "mismatch: signature by \"github\" is not good");
    EXPECT_EQ(detail_, "the request is not signed with a secret of this hook");
    EXPECT_EQ(ask("{ not = " + by("B") + " }", request), "match");
    EXPECT_EQ(ask("{ not = " + by("A") + " }", request), "mismatch: signature by \"github\" is good");
    EXPECT_EQ(ask("{ any = [" + by("B") + ", " + by("A") + "] }", request), "match");
    EXPECT_EQ(ask("{ all = [" + by("A") + ", { payload = '/n', equals = 8 }] }", request),
        "mismatch: payload \"/n\" is not 8");
}

TEST_F(SignedRule, IsOfTheRawBodyWhichNeedNotBeJson)
{
    const std::string raw = "{not JSON\0";
    const SampleRequest request{raw, signed_by("a", raw)};
    EXPECT_EQ(ask(by("A"), request), "match");
    const SampleRequest other{raw + " ", signed_by("a", raw)};
    EXPECT_EQ(ask(by("A"), other), "mismatch: signature by \"github\" is not good");
}

TEST_F(SignedRule, WithoutAHeaderDoesNotHoldAndSaysSo)
{
    const SampleRequest request{body};
    EXPECT_EQ(ask(by("A"), request), "mismatch: signature by \"github\" is not good");
    EXPECT_EQ(detail_, "the request has no X-Hub-Signature-256");
    EXPECT_EQ(ask("{ not = " + by("A") + " }", request), "match");
    EXPECT_EQ(ask(by("NONE"), request), "mismatch: signature by \"github\" is not good") << "no secret is needed";
}

TEST_F(SignedRule, TellsWhichSecretFits)
{
    const std::string two = "{ signature = { scheme = 'github', secret_env = ['RULE_SECRET_A', 'RULE_SECRET_B'] } }";
    const SampleRequest request{body, signed_by("b", body)};
    EXPECT_EQ(ask("{ any = [" + by("A") + ", " + two + ", " + by("B") + "] }", request), "match");
    ASSERT_EQ(keys_.size(), 1U) << "nobody looked at the last one";
    EXPECT_EQ(keys_[0].secret, 2U) << "the one before has one secret";
    EXPECT_TRUE(keys_[0].authentic);
    const std::string ended = "{ signature = { scheme = 'github', secret_env = { name = 'RULE_SECRET_B', not_after = "
                              "2020-01-01T00:00:00Z } } }";
    EXPECT_EQ(ask(ended, request), "mismatch: signature by \"github\" is not good");
    ASSERT_EQ(keys_.size(), 1U);
    EXPECT_FALSE(keys_[0].authentic);
}

TEST_F(SignedRule, HeedsTheTimeThatWasSigned)
{
    const auto stripe = [](std::int64_t time) {
        const std::string base = std::to_string(time) + "." + body;
        return SampleRequest::Fields{
            {"Stripe-Signature", "t=" + std::to_string(time) + ",v1=" + github_signature("a", base).substr(7)}};
    };
    const SampleRequest request{body, stripe(1'700'000'000 - 300)};
    EXPECT_EQ(ask(by("A", "scheme = 'stripe'"), request), "match");
    EXPECT_EQ(ask(by("A", "scheme = 'stripe', tolerance = '299s'"), request),
        "mismatch: signature by \"stripe\" is not good");
    EXPECT_EQ(detail_, "the request was signed 300 s ago, 299 s are allowed");
    EXPECT_EQ(keys_.size(), 1U);
}

TEST_F(SignedRule, CannotBeToldWithoutItsSecret)
{
    const SampleRequest request{body, signed_by("a", body)};
    const std::string none = by("NONE");
    const std::string unknown = "unknown: secret environment variable \"RULE_SECRET_NONE\" is not set";
    const std::string yes = "{ payload = '/n', equals = 7 }";
    const std::string no = "{ payload = '/n', equals = 8 }";
    EXPECT_EQ(ask(none, request), unknown);
    EXPECT_EQ(ask("{ not = " + none + " }", request), unknown);
    EXPECT_EQ(ask("{ all = [" + none + ", " + yes + "] }", request), unknown);
    EXPECT_EQ(ask("{ all = [" + none + ", " + no + "] }", request), "mismatch: payload \"/n\" is not 8");
    EXPECT_EQ(ask("{ any = [" + none + ", " + yes + "] }", request), "match");
    EXPECT_EQ(ask("{ any = [" + none + ", " + no + "] }", request), unknown);
    const config::Rule rule = read(none);
    EXPECT_THROW((Matcher{rule, {}, Secrets::required}), config::ConfigError);
}

TEST_F(SignedRule, LeavesOpenWhatFailsAfterWhatCannotBeTold)
{
    const SampleRequest malformed{"{", signed_by("a", "{")};
    const std::string fails = "{ payload = '/n', equals = 7 }";
    for (const char* key : {"all", "any"}) {
        const std::string list = std::string{"{ "} + key + " = [";
        EXPECT_THAT(ask(list + by("NONE") + ", " + fails + "] }", malformed), HasSubstr("unknown: ")) << key;
    }
    EXPECT_EQ(ask("{ any = [" + by("A") + ", " + fails + "] }", malformed), "match") << "not looked at";
}

TEST_F(SignedRule, OfAStoredRequestWhoseSecretsAreLeftOut)
{
    const std::string token = by("A", "scheme = 'bearer'");
    const SampleRequest bare{body};
    EXPECT_EQ(ask(token, bare), "mismatch: signature by \"bearer\" is not good");
    EXPECT_EQ(ask(token, bare, {"authorization"}), "unknown: belayd keeps no Authorization, since it holds a secret");
    EXPECT_EQ(ask(by("A"), bare, {"authorization"}), "mismatch: signature by \"github\" is not good")
        << "a signature is kept";
    const SampleRequest sent{body, {{"Authorization", "Bearer a"}}};
    EXPECT_EQ(ask(token, sent), "match");
}

TEST_F(SignedRule, LeavesOpenWhatHangsOnAHeaderThatIsNotKept)
{
    const SampleRequest bare{body};
    const std::vector<std::string> withheld{"Authorization"};
    const std::string unknown = "unknown: belayd keeps no authorization, since it holds a secret";
    const std::string token = "{ header = 'authorization', equals = 'Bearer a' }";
    EXPECT_EQ(ask("{ all = [" + token + "] }", bare), "mismatch: header \"authorization\" is missing");
    EXPECT_EQ(ask(token, bare, withheld), unknown);
    EXPECT_EQ(detail_, "belayd keeps no authorization, since it holds a secret");
    EXPECT_EQ(ask("{ header = 'authorization', exists = false }", bare, withheld), unknown);
    EXPECT_EQ(ask("{ not = " + token + " }", bare, withheld), unknown);
    EXPECT_EQ(ask("{ all = [" + token + ", { payload = '/n', equals = 8 }] }", bare, withheld),
        "mismatch: payload \"/n\" is not 8");
    EXPECT_EQ(ask("{ any = [" + token + ", { payload = '/n', equals = 7 }] }", bare, withheld), "match");
    EXPECT_EQ(ask("{ header = 'x-other', exists = false }", bare, withheld), "match");
}

TEST_F(SignedRule, IsAssumedWhereItIsTold)
{
    const SampleRequest bare{body};
    const auto assume = [&](const std::string& rule) { return ask(rule, bare, {}, Secrets::unused); };
    const std::string no = "{ payload = '/n', equals = 8 }";
    const std::string unknown = "unknown: below \"not\" none is taken for good";
    EXPECT_EQ(assume(by("NONE")), "match");
    EXPECT_EQ(detail_, "taken for good, unchecked");
    ASSERT_EQ(keys_.size(), 1U) << "of that sender";
    EXPECT_TRUE(keys_[0].authentic);
    EXPECT_EQ(assume("{ not = " + by("NONE") + " }"), unknown);
    EXPECT_EQ(assume("{ not = { any = [" + no + ", " + by("NONE") + "] } }"), unknown);
    EXPECT_EQ(assume("{ all = [{ not = " + by("NONE") + " }, " + no + "] }"), "mismatch: payload \"/n\" is not 8");
    EXPECT_EQ(assume("{ any = [{ not = " + by("NONE") + " }, " + by("NONE") + "] }"), "match") << "it is not below it";
}

} // namespace
} // namespace belay::hooks
