#include "belayd/config/load.hpp"
#include "belayd/hooks/encoding.hpp"
#include "belayd/hooks/hook_table.hpp"
#include "belayd/hooks/load.hpp"
#include "belayd/hooks/mac.hpp"
#include "github_signature.hpp"
#include "sample_request.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace belay::hooks {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* body = R"({"repository":{"full_name":"a/b"}})";

class HookTableTest : public ::testing::Test {
protected:
    void SetUp() override
    {
        std::string pattern = (std::filesystem::temp_directory_path() / "belay-hooks-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        write("new.secret", "new\n");
        write("old.secret", "old\n");
        write("other.secret", "other\n");
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    void write(const std::string& name, std::string_view text) const
    {
        std::ofstream{directory_ / name} << text;
        ASSERT_EQ(::chmod((directory_ / name).c_str(), 0600), 0);
    }

    [[nodiscard]] config::Config load(const std::string& text) const
    {
        return config::parse_config(text, (directory_ / "belay.toml").string());
    }

    [[nodiscard]] HookTable table() const
    {
        return HookTable{load(R"(
[hooks.deploy]
auth = { scheme = "github", secret_file = ["new.secret", "old.secret"] }
run = ["/bin/true", { payload = "/repository/full_name" }]
[hooks.other]
auth = { scheme = "github", secret_file = "other.secret" }
run = ["/bin/true"]
[hooks.open]
auth = "none"
run = ["/bin/true"]
)")};
    }

    std::filesystem::path directory_;
};

Decision decide(const HookTable& table, const char* hook, SampleRequest::Fields fields, std::string text = body)
{
    const SampleRequest request{std::move(text), std::move(fields)};
    return table.find(hook)->decide({request, std::chrono::sys_seconds{1'700'000'000s}}).decision;
}

SampleRequest::Fields with_signature(std::string_view secret, std::string_view text = body)
{
    return {{"X-Hub-Signature-256", github_signature(secret, text)}};
}

TEST_F(HookTableTest, AcceptsASignatureByAnySecretOfTheHook)
{
    const auto hooks = table();
    for (const char* secret : {"new", "old"}) {
        const auto decision = decide(hooks, "deploy", with_signature(secret));
        ASSERT_TRUE(std::holds_alternative<Event>(decision)) << secret;
        EXPECT_THAT(std::get<Event>(decision).invocation.arguments, ElementsAre("/bin/true", "a/b"));
    }
}

TEST_F(HookTableTest, RefusesForgedSignaturesInTheSameWords)
{
    const auto hooks = table();
    const std::string good = github_signature("new", body);
    std::string upper = good;
    for (auto c = upper.begin() + 7; c != upper.end(); ++c)
        *c = static_cast<char>(std::toupper(static_cast<unsigned char>(*c)));
    ASSERT_NE(upper, good);
    const std::string name = "X-Hub-Signature-256";
    const std::vector<SampleRequest::Fields> forged{
        {},                                                   // absent
        {{name, ""}},                                         // empty
        {{name, "sha1=" + good.substr(7)}},                   // wrong algorithm
        {{"X-Hub-Signature", good}},                          // wrong header
        {{name, upper}},                                      // wrong case
        {{name, good.substr(0, good.size() - 1)}},            // truncated
        {{name, good}, {name, good}},                         // twice
        {{name, good}, {"x-hub-signature-256", "sha256=00"}}, // another one beside it
        with_signature("other"),                              // another hook's secret
        with_signature("new\n"),                              // the newline is not part of the secret
        with_signature(""),                                   // no secret
        with_signature("new", std::string{body} + " "),       // another body
    };
    for (std::size_t i = 0; i < forged.size(); ++i) {
        const auto decision = decide(hooks, "deploy", forged[i]);
        ASSERT_TRUE(std::holds_alternative<Refusal>(decision)) << i;
        EXPECT_EQ(std::get<Refusal>(decision).status, 401) << i;
        EXPECT_EQ(std::get<Refusal>(decision).detail, "the request is not signed with a secret of this hook") << i;
    }
}

TEST_F(HookTableTest, ParsesNothingBeforeAuthentication)
{
    const auto hooks = table();
    EXPECT_EQ(std::get<Refusal>(decide(hooks, "deploy", {}, "not JSON")).status, 401);
    EXPECT_EQ(std::get<Refusal>(decide(hooks, "deploy", with_signature("new", "not JSON"), "not JSON")).status, 400);
    EXPECT_EQ(std::get<Refusal>(decide(hooks, "deploy", with_signature("new", "{}"), "{}")).status, 422);
}

TEST_F(HookTableTest, BoundsTheBodyOfWhatIsAuthentic)
{
    const HookTable hooks{load(R"(
[hooks.deploy]
auth = { scheme = "github", secret_file = "new.secret" }
run = ["/bin/true"]
max_body = "10B"
)")};
    EXPECT_TRUE(
        std::holds_alternative<Event>(decide(hooks, "deploy", with_signature("new", "0123456789"), "0123456789")));
    const auto decision = decide(hooks, "deploy", with_signature("new", "0123456789a"), "0123456789a");
    ASSERT_TRUE(std::holds_alternative<Refusal>(decision));
    EXPECT_EQ(std::get<Refusal>(decision).status, 413);
    EXPECT_EQ(std::get<Refusal>(decide(hooks, "deploy", {}, "0123456789a")).status, 401);
}

TEST_F(HookTableTest, AnswersASignedPingAndOnlyThat)
{
    const auto hooks = table();
    auto fields = with_signature("new");
    fields.emplace_back("X-GitHub-Event", "ping");
    const auto decision = decide(hooks, "deploy", fields);
    ASSERT_TRUE(std::holds_alternative<Ignored>(decision));
    EXPECT_EQ(std::get<Ignored>(decision).reason, "ping");
    EXPECT_TRUE(std::holds_alternative<Refusal>(decide(hooks, "deploy", {{"X-GitHub-Event", "ping"}})));
    EXPECT_TRUE(std::holds_alternative<Ignored>(decide(hooks, "open", {{"X-GitHub-Event", "ping"}}))) << "nor there";
}

TEST_F(HookTableTest, MatchesRulesAfterTheSignatureAndBeforeTheArguments)
{
    const HookTable hooks{load(R"(
[hooks.a]
auth = { scheme = "github", secret_file = "new.secret" }
when = { payload = "/ref", equals = "main" }
run = ["/bin/true", { payload = "/missing" }]
)")};
    const std::string other = R"({"ref":"dev"})";
    const std::string malformed = "{";
    EXPECT_EQ(std::get<Refusal>(decide(hooks, "a", {}, other)).status, 401);
    EXPECT_EQ(std::get<Ignored>(decide(hooks, "a", with_signature("new", other), other)).reason,
        "when: payload \"/ref\" is not \"main\"");
    EXPECT_EQ(std::get<Refusal>(decide(hooks, "a", with_signature("new", malformed), malformed)).status, 400);
    const std::string match = R"({"ref":"main"})";
    EXPECT_EQ(std::get<Refusal>(decide(hooks, "a", with_signature("new", match), match)).status, 422)
        << "then the arguments";
}

TEST_F(HookTableTest, TellsNobodyWhatARuleComparesWithWhereAuthIsNone)
{
    const HookTable hooks{load(R"(
[hooks.a]
auth = "none"
when = { header = "X-Token", equals = "s3cret" }
run = ["/bin/true"]
)")};
    for (const SampleRequest::Fields& fields : {SampleRequest::Fields{}, {{"X-Token", "guess"}}})
        EXPECT_EQ(
            std::get<Ignored>(decide(hooks, "a", fields, "{}")).reason, "the rules of this hook (when) do not match");
    EXPECT_TRUE(std::holds_alternative<Event>(decide(hooks, "a", {{"X-Token", "s3cret"}}, "{}")));
}

TEST_F(HookTableTest, AsksForAuthAlsoWhereItJudgesAsWebhook)
{
    const HookTable hooks{load(R"(
[hooks.a]
auth = { scheme = "github", secret_file = "new.secret" }
compat = "webhook"
run = ["/bin/true"]
[hooks.b]
auth = { addresses = ["192.0.2.0/24"] }
compat = "webhook"
run = ["/bin/true"]
)")};
    EXPECT_EQ(std::get<Refusal>(decide(hooks, "a", {})).status, 401);
    EXPECT_TRUE(std::holds_alternative<Event>(decide(hooks, "a", with_signature("new"))));
    EXPECT_EQ(std::get<Refusal>(decide(hooks, "b", {})).status, 403);
}

TEST_F(HookTableTest, LetsAnybodyInWhereAuthIsNone)
{
    EXPECT_TRUE(std::holds_alternative<Event>(decide(table(), "open", {}, "")));
}

TEST_F(HookTableTest, LetsNobodyInWhereNothingIsSaid)
{
    config::Hook hook;
    hook.run.push_back({config::ValueSource::Kind::literal, "/bin/true", {}});
    const Hook closed{std::move(hook), "/"};
    const SampleRequest request{body, with_signature("")};
    EXPECT_EQ(std::get<Refusal>(closed.decide({request, {}}).decision).status, 401);
}

TEST_F(HookTableTest, FindsHooksByName)
{
    const auto hooks = table();
    EXPECT_EQ(hooks.size(), 3U);
    EXPECT_EQ(hooks.find("deploy")->config().name, "deploy");
    EXPECT_EQ(hooks.find("Deploy"), nullptr);
    EXPECT_EQ(hooks.find(""), nullptr);
}

TEST_F(HookTableTest, NamesEverySecretThatCannotBeHad)
{
    write("empty.secret", "\n");
    const auto config = load(R"(
[hooks.a]
auth = { scheme = "github", secret_file = ["missing.secret", "new.secret", "empty.secret"] }
run = ["/bin/true"]
[hooks.b]
auth = { scheme = "github", secret_env = "BELAYTEST_NOT_SET" }
run = ["/bin/true"]
)");
    try {
        const HookTable hooks{config};
        FAIL() << "built with " << hooks.size() << " hooks";
    } catch (const config::ConfigError& error) {
        const auto& found = error.diagnostics();
        ASSERT_EQ(found.size(), 3U);
        EXPECT_EQ(found[0].origin.line, 3U);
        EXPECT_EQ(found[0].origin.column, 44U);
        EXPECT_THAT(found[0].message, HasSubstr("\"missing.secret\" cannot be opened"));
        EXPECT_EQ(found[1].origin.line, 3U);
        EXPECT_THAT(found[1].message, HasSubstr("\"empty.secret\" is empty"));
        EXPECT_EQ(found[2].origin.line, 6U);
        EXPECT_THAT(found[2].message, HasSubstr("\"BELAYTEST_NOT_SET\" is not set"));
    }
}

TEST_F(HookTableTest, LoadsAConfigurationWithEveryErrorOfItAndItsSecrets)
{
    ::unsetenv("BELAYTEST_NOT_SET");
    ::unsetenv("CREDENTIALS_DIRECTORY");
    write("belay.toml", R"([hooks.a]
auth = { scheme = "github", secret_file = "new.secret", secret_env = "BELAYTEST_NOT_SET" }
run = ["relative"]
[hooks.b]
auth = { scheme = "github", secret_credential = "github" }
run = ["/bin/true"]
)");
    std::vector<std::string> found;
    try {
        (void)load_config((directory_ / "belay.toml").string());
    } catch (const config::ConfigError& error) {
        for (const auto& diagnostic : error.diagnostics())
            found.push_back(fmt::format("{}: {}", diagnostic.origin.line, diagnostic.message));
    }
    EXPECT_THAT(found, ElementsAre(HasSubstr("2: secret environment variable"), HasSubstr("3: command \"relative\""),
                           HasSubstr("5: secret credential \"github\" cannot be had")));
}

TEST_F(HookTableTest, RefusesADeliveryIdThatIsStrange)
{
    const auto hooks = table();
    const auto id = [&hooks](SampleRequest::Fields fields) { return decide(hooks, "open", std::move(fields)); };
    const auto good = [](const Decision& decision) { return std::get<Event>(decision).delivery_id; };
    EXPECT_EQ(good(id({{"Idempotency-Key", "k"}, {"X-GitHub-Delivery", "d"}})), "d");
    EXPECT_EQ(good(id({{"idempotency-key", "k"}})), "k");
    EXPECT_EQ(good(id({{"X-GitHub-Delivery", std::string(255, 'x')}})), std::string(255, 'x'));
    EXPECT_EQ(good(id({})), std::nullopt);
    for (const std::string& text : {std::string{}, std::string(256, 'x'), std::string{"a b"}, std::string{"\xc3\xa9"},
             std::string{"a\tb"}, std::string{"\x7f"}}) {
        const auto found = id({{"Idempotency-Key", text}});
        ASSERT_TRUE(std::holds_alternative<Refusal>(found)) << text;
        EXPECT_EQ(std::get<Refusal>(found).status, 400);
        EXPECT_EQ(std::get<Refusal>(found).detail, "Idempotency-Key is not 1 to 255 bytes of visible ASCII");
    }
    EXPECT_TRUE(std::holds_alternative<Refusal>(id({{"X-GitHub-Delivery", ""}, {"Idempotency-Key", "k"}})));
}

class SendersTest : public HookTableTest {
protected:
    void SetUp() override
    {
        HookTableTest::SetUp();
        write("token.secret", "hunter2");
        write("discord.secret", "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    }

    /** A hook "it" for that sender. */
    [[nodiscard]] HookTable of(std::string_view scheme, std::string_view secret = "token.secret") const
    {
        return HookTable{
            load(fmt::format("[hooks.it]\nauth = {{ scheme = \"{}\", secret_file = \"{}\" }}\nrun = [\"/bin/true\"]\n",
                scheme, secret))};
    }

    [[nodiscard]] static SampleRequest::Fields of_slack(const std::string& text, const std::string& time = "1700000000")
    {
        const std::string_view message[]{"v0:", time, ":", text};
        return {{"X-Slack-Signature", "v0=" + to_hex(Mac{"SHA256", "hunter2"}.digest(message).view())},
            {"X-Slack-Request-Timestamp", time}, {"Content-Type", "application/json; charset=utf-8"}};
    }
};

TEST_F(SendersTest, SlackGetsItsChallengeBackAndNothingIsRun)
{
    const auto hooks = of("slack");
    const std::string ask = R"({"token":"x","challenge":"3eZ\"b","type":"url_verification"})";
    const auto decision = decide(hooks, "it", of_slack(ask), ask);
    ASSERT_TRUE(std::holds_alternative<Reply>(decision));
    EXPECT_EQ(std::get<Reply>(decision).json, R"({"challenge":"3eZ\"b"})");
    auto forged = of_slack(ask);
    forged[0].second.back() ^= 1;
    EXPECT_TRUE(std::holds_alternative<Refusal>(decide(hooks, "it", forged, ask)));
    for (const std::string text : {R"({"type":"event_callback","challenge":"a"})", R"({"type":"url_verification"})",
             R"({"type":"url_verification","challenge":1})", "[]"})
        EXPECT_TRUE(std::holds_alternative<Event>(decide(hooks, "it", of_slack(text), text))) << text;
}

TEST_F(SendersTest, SlackNamesAnEventInItsBodyAndCommandsAreForms)
{
    const auto hooks = of("slack");
    const std::string event = R"({"type":"event_callback","event_id":"Ev1"})";
    EXPECT_EQ(std::get<Event>(decide(hooks, "it", of_slack(event), event)).delivery_id, "Ev1");
    EXPECT_EQ(std::get<Event>(decide(hooks, "it", of_slack("text=a"), "text=a")).delivery_id, std::nullopt);
    auto relabelled = of_slack(event);
    relabelled[2].second = "text/plain"; // which nobody signs
    EXPECT_EQ(std::get<Event>(decide(hooks, "it", relabelled, event)).delivery_id, "Ev1");
    const std::string number = R"({"event_id":4711})";
    EXPECT_EQ(std::get<Event>(decide(hooks, "it", of_slack(number), number)).delivery_id, "4711");
    const auto why_not = [&hooks](const std::string& text) {
        const Decision decision = decide(hooks, "it", of_slack(text), text);
        EXPECT_EQ(std::get<Refusal>(decision).status, 400);
        return std::get<Refusal>(decision).detail;
    };
    EXPECT_EQ(why_not(R"({"event_id":"a b"})"), "/event_id is not 1 to 255 bytes of visible ASCII");
    EXPECT_EQ(why_not(R"({"event_id":[]})"), "/event_id of the body is neither text nor an integer");
    EXPECT_EQ(why_not(std::string(40, '[')), "the body is nested more than 32 levels deep");
}

TEST_F(SendersTest, WhatWasSignedLongAgoIsRefusedWithItsAge)
{
    const auto hooks = of("slack");
    const auto why_not = [&hooks](const char* time) {
        return std::get<Refusal>(decide(hooks, "it", of_slack("{}", time), "{}")).detail;
    };
    EXPECT_TRUE(std::holds_alternative<Event>(decide(hooks, "it", of_slack("{}", "1699999700"), "{}")));
    EXPECT_EQ(why_not("1699999699"), "the request was signed 301 s ago, 300 s are allowed");
    EXPECT_TRUE(std::holds_alternative<Event>(decide(hooks, "it", of_slack("{}", "1700000300"), "{}")));
    EXPECT_EQ(
        why_not("1700000301"), "the request was signed 301 s from now, 300 s are allowed: one of the clocks is wrong");
    EXPECT_EQ(why_not("17e8"), "the time at which the request was signed is malformed");
}

TEST_F(SendersTest, DiscordGetsItsPings)
{
    const auto hooks = of("discord", "discord.secret");
    const auto decide_on = [&hooks](const char* text, const std::string& signature) {
        return decide(hooks, "it", {{"X-Signature-Timestamp", "1700000000"}, {"X-Signature-Ed25519", signature}}, text);
    };
    const std::string interaction_ping = "c1098e97d711377f30225d53d94b89d43537f92e5b3afaddc590781b1f9f9d4b"
                                         "2eeab335d370be3b9a090bc61a85b86448bc140dcd195f1569c2bff181257607";
    const std::string command = "581b292c54015ea94e743e5d00e423d13ea25ae0c239186839de7b2531201004"
                                "6ee100ad33101d5a61062e81529253f4d73b686d7fb1b3643cd2fabef95b4901";
    const std::string webhook_ping = "586e5d2c907ec33b8055a68418effa084a28babfe0c5b8f80ddd3198606d501e"
                                     "a173225ce602c3ed2330052cdc89691283270e104de5d6242003559406c22f03";
    const std::string webhook_event = "7414c0cfe33a1b463f372b5dfe92aaa367b8ec25844c5831b08986a99c8038d9"
                                      "be2478adece71704718bcc9e529b892daf119505f0d629ed0b60310d840d3d07";
    EXPECT_EQ(std::get<Reply>(decide_on(R"({"type":1})", interaction_ping)).json, R"({"type":1})");
    EXPECT_EQ(std::get<Reply>(decide_on(R"({"type":0})", webhook_ping)).json, "");
    EXPECT_TRUE(std::holds_alternative<Event>(decide_on(R"({"type":2})", command)));
    EXPECT_TRUE(std::holds_alternative<Event>(
        decide_on(R"({"type":1,"event":{"type":"APPLICATION_AUTHORIZED"}})", webhook_event)));
    std::string forged = interaction_ping;
    forged.back() = forged.back() == '0' ? '1' : '0';
    EXPECT_TRUE(std::holds_alternative<Refusal>(decide_on(R"({"type":1})", forged)));
}

TEST_F(SendersTest, ARefusalAsksForWhatIsMissing)
{
    EXPECT_EQ(of("bearer").find("it")->challenge(), "Bearer");
    EXPECT_EQ(of("gitlab").find("it")->challenge(), "X-Gitlab-Token");
}

TEST_F(SendersTest, ASecretThatIsNoneOfThisSenderIsNamed)
{
    try {
        (void)of("discord");
        FAIL() << "loaded";
    } catch (const config::ConfigError& error) {
        EXPECT_EQ(error.diagnostics().at(0).message, "secret file \"token.secret\" is not what discord gives out, "
                                                     "lower-case hexadecimal digits of 32 bytes");
        EXPECT_EQ(error.diagnostics().at(0).origin.line, 2U);
    }
    EXPECT_THROW((void)of("svix"), config::ConfigError);
}

/** Anybody may send; who has signed counts in the rules. */
constexpr const char* signed_by_one_of_two = R"(
[hooks.either]
auth = "none"
run = ["/bin/true"]
when = { any = [
    { all = [{ signature = { scheme = "github", secret_file = "new.secret" } }, { payload = "/ref", equals = "main" }] },
    { signature = { scheme = "custom", header = "X-Sign", algorithm = "hmac_sha256", delivery_header = "X-Id", secret_file = ["old.secret", "other.secret"] } },
] }
)";

TEST_F(HookTableTest, RulesAskForSignatures)
{
    const HookTable hooks{load(signed_by_one_of_two)};
    const std::string main = R"({"ref":"main"})";
    const auto judge = [&hooks](const std::string& text, SampleRequest::Fields fields) {
        const SampleRequest request{text, std::move(fields)};
        return hooks.find("either")->decide({request, std::chrono::sys_seconds{1'700'000'000s}});
    };
    const auto sign = [](std::string_view secret, std::string_view text) {
        return github_signature(secret, text).substr(std::string_view{"sha256="}.size());
    };
    EXPECT_TRUE(std::holds_alternative<Event>(judge(main, with_signature("new", main)).decision));
    EXPECT_TRUE(std::holds_alternative<Ignored>(judge(main, with_signature("old", main)).decision));
    EXPECT_TRUE(std::holds_alternative<Ignored>(judge("{}", with_signature("new", "{}")).decision)) << "another ref";
    EXPECT_TRUE(std::holds_alternative<Ignored>(judge(main, {}).decision));
    const Judgement other = judge("{}", {{"X-Sign", sign("other", "{}")}, {"X-Id", "i-1"}, {"X-GitHub-Delivery", "d"}});
    ASSERT_TRUE(std::holds_alternative<Event>(other.decision));
    EXPECT_EQ(std::get<Event>(other.decision).delivery_id, "2/i-1") << "as who signed calls it, apart from the other's";
    SampleRequest::Fields both = with_signature("new", "{}");
    both.insert(both.end(), {{"X-Sign", sign("other", "{}")}, {"X-Id", "i-1"}, {"X-GitHub-Delivery", "d"}});
    const Judgement by_second = judge("{}", both);
    ASSERT_TRUE(std::holds_alternative<Event>(by_second.decision));
    EXPECT_EQ(std::get<Event>(by_second.decision).delivery_id, "2/i-1") << "the first one's branch does not match";
    EXPECT_EQ(by_second.in_rules.size(), 2U);
    const Judgement by_first = judge(main, {{"X-GitHub-Delivery", "d"}, with_signature("new", main).front()});
    ASSERT_TRUE(std::holds_alternative<Event>(by_first.decision));
    EXPECT_EQ(std::get<Event>(by_first.decision).delivery_id, "1/d");
    EXPECT_TRUE(other.authentic);
    EXPECT_EQ(other.key, std::nullopt);
    ASSERT_EQ(other.in_rules.size(), 1U);
    EXPECT_EQ(other.in_rules[0].secret, 2U);
}

TEST_F(HookTableTest, SecretsOfRulesComeAfterThoseOfAuth)
{
    const HookTable hooks{load(R"(
[hooks.both]
auth = { scheme = "github", secret_file = ["new.secret", "old.secret"] }
run = ["/bin/true"]
when = { signature = { scheme = "github", secret_file = ["other.secret", "old.secret"] } }
)")};
    const SampleRequest request{body, with_signature("old")};
    const Judgement judgement = hooks.find("both")->decide({request, {}});
    EXPECT_TRUE(std::holds_alternative<Event>(judgement.decision));
    EXPECT_EQ(judgement.key, 1U);
    ASSERT_EQ(judgement.in_rules.size(), 1U);
    EXPECT_EQ(judgement.in_rules[0].secret, 3U);
}

TEST_F(HookTableTest, SecretsOfRulesCountAlsoWhereTheBodyCannotBeRead)
{
    const HookTable hooks{load(R"(
[hooks.both]
auth = { scheme = "github", secret_file = "old.secret" }
run = ["/bin/true"]
when = { all = [{ signature = { scheme = "github", secret_file = "old.secret" } }, { payload = "/a", equals = 1 }] }
)")};
    const SampleRequest request{"{", with_signature("old", "{")};
    const Judgement judgement = hooks.find("both")->decide({request, {}});
    EXPECT_TRUE(std::holds_alternative<Refusal>(judgement.decision));
    ASSERT_EQ(judgement.in_rules.size(), 1U);
    EXPECT_EQ(judgement.in_rules[0].secret, 1U);
}

TEST_F(HookTableTest, RefusesARuleWhoseSecretCannotBeHad)
{
    try {
        const HookTable hooks{
            load("[hooks.a]\nauth = 'none'\nrun = ['/bin/true']\nwhen = { not = { signature = { scheme = "
                 "'github', secret_file = 'none.secret' } } }\n")};
        FAIL() << "it was loaded";
    } catch (const config::ConfigError& error) {
        ASSERT_EQ(error.diagnostics().size(), 1U);
        EXPECT_EQ(error.diagnostics()[0].origin.line, 4U);
        EXPECT_THAT(error.diagnostics()[0].message, HasSubstr("secret file \"none.secret\" cannot be opened"));
    }
}

} // namespace
} // namespace belay::hooks
