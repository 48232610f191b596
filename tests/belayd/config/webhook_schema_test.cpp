#include "belayd/config/load.hpp"
#include "belayd/config/rule_schema.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::config {
namespace {

using ::testing::HasSubstr;

std::string errors_of_hook(const std::string& hook)
{
    std::string messages;
    try {
        (void)parse_config("[hooks.a]\nauth = \"none\"\nrun = [\"/bin/true\"]\n" + hook, "belay.toml");
    } catch (const ConfigError& e) {
        for (const auto& diagnostic : e.diagnostics())
            messages += std::to_string(diagnostic.origin.line) + ": " + diagnostic.message + "\n";
    }
    return messages;
}

constexpr const char* strict = R"([hooks.a]
compat = "webhook"
auth = "none"
run = ["/bin/true", { path = "a.b" }]
when = { all = [{ signature = { scheme = "custom", header = "X-S", algorithm = "hmac_sha1", label = "sha1=", secret_file = "s" } }, { path = "c", equals = "d" }, { request = "remote_address", in = ["192.0.2.0/24"] }] }
webhook = { methods = ["GET"], content_type = "json", json_parameters = [{ header = "X-J" }], soft_signatures = true, response_message = "hi", response_headers = { "X-A" = "b" }, success_status = 201, mismatch_status = 503 }
)";

TEST(WebhookSchema, ReadsAllItWrites)
{
    const Config config = parse_config(strict, "belay.toml");
    const Hook& hook = config.hooks.at("a");
    ASSERT_TRUE(hook.webhook);
    EXPECT_EQ(hook.webhook->methods, (std::vector<std::string>{"GET"}));
    EXPECT_EQ(hook.webhook->content_type, "json");
    ASSERT_EQ(hook.webhook->json_parameters.size(), 1U);
    EXPECT_EQ(hook.webhook->json_parameters.front().text, "X-J");
    EXPECT_TRUE(hook.webhook->soft_signatures);
    EXPECT_EQ(hook.webhook->response_message, "hi");
    EXPECT_EQ(hook.webhook->response_headers.at(0).second, "b");
    EXPECT_EQ(hook.webhook->success_status, 201U);
    EXPECT_EQ(hook.webhook->mismatch_status, 503U);
    ASSERT_TRUE(hook.when);
    ASSERT_TRUE(hook.when->rules.at(0).auth);
    EXPECT_EQ(hook.when->rules.at(0).auth->scheme.header, "X-S");

    const std::string effective = effective_config(config);
    EXPECT_THAT(effective, HasSubstr("compat = \"webhook\""));
    const Config again = parse_config(effective, "belay.toml");
    EXPECT_EQ(again.hooks.at("a").webhook->success_status, 201U);
    EXPECT_EQ(again.hooks.at("a").when->rules.at(0).auth->scheme.forms, hook.when->rules.at(0).auth->scheme.forms);
}

TEST(WebhookSchema, RefusesWhatItsHooksWouldNotHeed)
{
    EXPECT_THAT(errors_of_hook("compat = \"webhook\"\nfiles = { F = { path = \"a\", default = \"\" } }"),
        HasSubstr("compat = \"webhook\" takes no event, default"));
    EXPECT_THAT(errors_of_hook("compat = \"webhook\"\nenv = { A = { path = \"a\", default = \"b\" } }"),
        HasSubstr("takes no event, default"));
    EXPECT_THAT(errors_of_hook("compat = \"webhook\"\nenv = { A = { event = \"id\" } }"), HasSubstr("takes no event"));
    EXPECT_THAT(errors_of_hook("files = { F = { path = \"a.b\" } }"), HasSubstr("path is for hooks with compat"));
}

TEST(WebhookSchema, TakesSignaturesFromAnywhere)
{
    const std::string rule =
        R"({ signature = { scheme = "custom", label = "sha1=", algorithm = "hmac_sha1", secret_file = ["a"] }, query = "s" })";
    const Config config = parse_config(
        "[hooks.a]\nauth = 'none'\nrun = ['/bin/true']\ncompat = 'webhook'\nwhen = " + rule + "\n", "f.toml");
    EXPECT_EQ(write_rule(*config.hooks.at("a").when), rule);
    EXPECT_EQ(describe(*config.hooks.at("a").when), "signature in query \"s\" is good");
    EXPECT_THAT(
        errors_of_hook("when = " + rule), HasSubstr("only with compat = \"webhook\" a signature is anywhere but"));
    const auto errors = [](const std::string& auth, const std::string& source) {
        return errors_of_hook(
            "compat = \"webhook\"\nwhen = { signature = { secret_file = \"a\", " + auth + " }, " + source + " }");
    };
    EXPECT_THAT(errors("scheme = \"github\"", "query = \"s\""), HasSubstr("scheme = \"custom\" without header"));
    EXPECT_THAT(errors("scheme = \"custom\", header = \"X-S\"", "query = \"s\""), HasSubstr("without header"));
    EXPECT_THAT(errors("scheme = \"custom\"", "payload = \"/s\""), HasSubstr("write path = \"a.b\""));
    EXPECT_THAT(errors("scheme = \"custom\"", "equals = \"s\""), HasSubstr("unknown key \"signature\""));
}

TEST(WebhookSchema, AnswersWithOutputThatIsWaitedFor)
{
    const std::string always = "compat = \"webhook\"\nwebhook = { answer_output = \"always\" }\n";
    EXPECT_EQ(errors_of_hook(always),
        "1: answer_output wants a wait: how long a request waits for the output, \"1h\" at most\n");
    EXPECT_EQ(errors_of_hook(always + "wait = \"1h\""), "");
    EXPECT_THAT(errors_of_hook("compat = \"webhook\"\nwebhook = { answer_output = \"yes\" }"),
        HasSubstr("answer_output must be one of"));
}

TEST(WebhookSchema, RefusesSignaturesThatWebhookHasNot)
{
    const auto errors = [](const std::string& auth) {
        return errors_of_hook("compat = \"webhook\"\nwhen = { not = { signature = { " + auth + " } } }");
    };
    EXPECT_EQ(errors("scheme = \"github\", secret_file = \"a\""), "");
    EXPECT_EQ(errors("scheme = \"scalr\", secret_file = \"a\""), "");
    for (const char* auth :
        {"scheme = \"github\", secret_file = [\"a\", \"b\"]", "scheme = \"stripe\", secret_file = \"a\"",
            "scheme = \"github\", secret_file = { name = \"a\", not_after = 2026-12-31T00:00:00Z }",
            "scheme = \"bearer\", secret_file = \"a\"", "scheme = \"shopify\", secret_file = \"a\"",
            "scheme = \"gogs\", secret_file = [\"a\", \"b\"]"})
        EXPECT_THAT(errors(auth), HasSubstr("knows signatures by one secret that does not end")) << auth;
}

TEST(WebhookSchema, IsOffByDefault)
{
    const Config config = parse_config("[hooks.a]\nauth = \"none\"\nrun = [\"/bin/true\"]\n", "belay.toml");
    EXPECT_FALSE(config.hooks.at("a").webhook);
    const std::string effective = effective_config(config);
    EXPECT_THAT(effective, HasSubstr("\n# compat = \"webhook\"  # default\n# webhook = {}  # default\n"));
}

TEST(WebhookSchema, SaysWhatBelongsToWhat)
{
    EXPECT_EQ(errors_of_hook("compat = \"webhooks\""), "4: compat must be one of \"webhook\"\n");
    EXPECT_EQ(errors_of_hook("webhook = {}"), "4: the table webhook means nothing without compat = \"webhook\"\n");
    EXPECT_EQ(errors_of_hook("when = { path = \"a\", equals = \"b\" }"),
        "4: path is for hooks with compat = \"webhook\": write payload = \"/a/b\" for \"a.b\"\n");
    EXPECT_EQ(errors_of_hook("env = { A = { path = \"a\" } }"),
        "4: path is for hooks with compat = \"webhook\": write payload = \"/a/b\" for \"a.b\"\n");
    EXPECT_EQ(errors_of_hook("compat = \"webhook\"\nenv = { A = { payload = \"/a\" } }"),
        "5: a hook with compat = \"webhook\" has no JSON pointers: write path = \"a.b\" for \"/a/b\"\n");
    EXPECT_EQ(errors_of_hook("compat = \"webhook\"\nwhen = { any = [{ path = \"a\", glob = \"*\" }] }"),
        "5: a hook with compat = \"webhook\" compares with equals = \"text\", regex, exists, or in with networks\n");
    EXPECT_THAT(errors_of_hook("compat = \"webhook\"\nwebhook = { method = [\"GET\"] }"),
        HasSubstr("5: unknown key \"method\" in webhook, did you mean \"methods\"?"));
    EXPECT_THAT(
        errors_of_hook("compat = \"webhook\"\nwebhook = { success_status = 99 }"), HasSubstr("5: success_status"));
    EXPECT_THAT(errors_of_hook("compat = \"webhook\"\nwebhook = { response_headers = { \"A\" = \"b\\nC: d\" } }"),
        HasSubstr("5: a header is one line"));
    EXPECT_THAT(errors_of_hook("compat = \"webhook\"\nwebhook = { json_parameters = [{ request = \"body\" }] }"),
        HasSubstr("5: a json parameter is"));
}

} // namespace
} // namespace belay::config
