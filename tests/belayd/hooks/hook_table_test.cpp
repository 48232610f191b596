#include "belayd/config/load.hpp"
#include "belayd/hooks/hook_table.hpp"
#include "belayd/hooks/load.hpp"
#include "belayd/hooks/signature.hpp"
#include "sample_request.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace belay::hooks {
namespace {

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
    return table.find(hook)->decide({request});
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
        ASSERT_TRUE(std::holds_alternative<Invocation>(decision)) << secret;
        EXPECT_THAT(std::get<Invocation>(decision).arguments, ElementsAre("/bin/true", "a/b"));
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

TEST_F(HookTableTest, LetsAnybodyInWhereAuthIsNone)
{
    EXPECT_TRUE(std::holds_alternative<Invocation>(decide(table(), "open", {}, "")));
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

TEST(DeliveryId, PrefersGithubsAndRefusesStrangeText)
{
    const auto id = [](SampleRequest::Fields fields) {
        const SampleRequest request{"", std::move(fields)};
        return Hook::delivery_id(request);
    };
    using Id = std::optional<std::string>;
    const auto good = [](const auto& found) { return std::get<Id>(found); };
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

} // namespace
} // namespace belay::hooks
