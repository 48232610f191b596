#include "belayd/config/load.hpp"
#include "belayd/hooks/encoding.hpp"
#include "belayd/hooks/hook_table.hpp"
#include "belayd/hooks/mac.hpp"
#include "sample_request.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>

namespace belay::hooks {
namespace {

using testing::ElementsAre;
using testing::Optional;
using testing::Pair;

/** A hook with that rule, judging. */
class WebhookRules : public testing::Test {
protected:
    /** "runs", "not", or the status. */
    static std::string decide(const std::string& rule, const std::string& json,
        const SampleRequest::Fields& fields = {}, const std::string& more = "")
    {
        const auto config =
            config::parse_config("[hooks.a]\ncompat = \"webhook\"\nauth = \"none\"\nrun = [\"/bin/true\"]\n" +
                                     (rule.empty() ? "" : "when = " + rule + "\n") + more,
                "belay.toml");
        const HookTable table{config};
        auto all = fields;
        all.emplace_back("Content-Type", "application/json");
        const SampleRequest request{json, all, "q=1"};
        const http::Peer peer{.address = "192.0.2.7", .port = 4711};
        http::Request sample = request;
        sample.peer = &peer;
        const auto decision = table.find("a")->decide({sample, std::chrono::sys_seconds{}}).decision;
        if (const auto* const refusal = std::get_if<Refusal>(&decision))
            return std::to_string(refusal->status);
        return std::holds_alternative<Event>(decision) ? "runs" : "not";
    }
};

constexpr const char* a_is_1 = "{ path = \"a\", equals = \"1\" }";
constexpr const char* is_missing = "{ path = \"x\", equals = \"1\" }";
constexpr const char* fails = "{ path = \"n.x\", equals = \"1\" }"; // through null

std::string all(const std::string& rules)
{
    return "{ all = [" + rules + "] }";
}
std::string any(const std::string& rules)
{
    return "{ any = [" + rules + "] }";
}
std::string negate(const std::string& rule)
{
    return "{ not = " + rule + " }";
}

TEST_F(WebhookRules, CompareTexts)
{
    EXPECT_EQ(decide("", "{}"), "runs");
    EXPECT_EQ(decide(a_is_1, R"({"a":1})"), "runs");
    EXPECT_EQ(decide(a_is_1, R"({"a":"1"})"), "runs");
    EXPECT_EQ(decide(a_is_1, R"({"a":1.0})"), "not");
    EXPECT_EQ(decide("{ path = \"a\", equals = \"<nil>\" }", R"({"a":null})"), "runs");
    EXPECT_EQ(decide("{ path = \"a\", regex = \"^x\" }", R"({"a":{"x":1}})"), "not");
    EXPECT_EQ(decide("{ path = \"a\", regex = \"x.:1\" }", R"({"a":{"x":1}})"), "runs");
    EXPECT_EQ(decide("{ request = \"remote_address\", equals = \"192.0.2.7:4711\" }", ""), "runs");
    EXPECT_EQ(decide("{ request = \"remote_address\", in = [\"198.51.100.0/24\", \"192.0.2.0/29\"] }", ""), "runs");
    EXPECT_EQ(decide("{ request = \"remote_address\", in = [\"192.0.2.0/30\"] }", ""), "not");
    EXPECT_EQ(decide("{ query = \"q\", equals = \"1\" }", ""), "runs");
}

TEST_F(WebhookRules, PassOnWhatIsMissing)
{
    const std::string json = R"({"a":1})";
    EXPECT_EQ(decide(is_missing, json), "not");
    EXPECT_EQ(decide(negate(is_missing), json), "runs");
    EXPECT_EQ(decide(all(negate(is_missing)), json), "not");
    EXPECT_EQ(decide(any(negate(is_missing)), json), "runs");
    EXPECT_EQ(decide(any(std::string{is_missing} + ", " + a_is_1), json), "runs");
    EXPECT_EQ(decide(all(std::string{a_is_1} + ", " + is_missing), json), "not");
    EXPECT_EQ(decide(negate(all(std::string{a_is_1} + ", " + is_missing)), json), "runs");
    EXPECT_EQ(decide(negate(any(is_missing)), json), "runs");
    EXPECT_EQ(decide(all(std::string{a_is_1} + ", " + negate(any(is_missing))), json), "runs");
}

TEST_F(WebhookRules, FailWhereWebhookFails)
{
    const std::string json = R"({"a":1,"n":null})";
    EXPECT_EQ(decide(fails, json), "500");
    EXPECT_EQ(decide(negate(fails), json), "500");
    EXPECT_EQ(decide(any(std::string{fails} + ", " + a_is_1), json), "500");
    EXPECT_EQ(decide(any(std::string{a_is_1} + ", " + fails), json), "runs"); // not looked at
    EXPECT_EQ(decide(all(std::string{is_missing} + ", " + fails), json), "not");
}

TEST_F(WebhookRules, RefuseMethodsAndBodies)
{
    const std::string methods = "webhook = { methods = [\"GET\", \"PUT\"] }\n";
    EXPECT_EQ(decide("", "{}", {}, methods), "405");
    EXPECT_EQ(decide("", "{}", {}, "webhook = { methods = [\"POST\"] }\n"), "runs");
    EXPECT_EQ(decide("", "{\"a\":1}", {}, "max_body = \"6B\"\n"), "413");
    EXPECT_EQ(decide("", "", {}, "webhook = { content_type = \"multipart/form-data;\" }\n"), "500");
    EXPECT_EQ(decide(a_is_1, "<a>1</a>", {}, "webhook = { content_type = \"text/xml\" }\n"), "400");
    EXPECT_EQ(decide("", "<a>1</a>", {}, "webhook = { content_type = \"text/xml\" }\n"), "runs");
}

TEST_F(WebhookRules, PassValuesAsWebhookDoes)
{
    const auto config =
        config::parse_config("[hooks.a]\ncompat = \"webhook\"\nauth = \"none\"\n"
                             "run = [\"/bin/true\", { path = \"x\" }, { path = \"a\" }, { path = \"n.y\" }]\n"
                             "env = { A = { path = \"a\" }, B = { path = \"x\" } }\n"
                             "files = { C = { path = \"c\", decode = \"base64\" }, D = { path = \"c\" },"
                             " E = { path = \"x\" } }\n",
            "belay.toml");
    const HookTable table{config};
    const auto decide = [&table](const std::string& json) {
        const SampleRequest request{json, {{"Content-Type", "application/json"}, {"X-GitHub-Delivery", "1"}}};
        return table.find("a")->decide({request, std::chrono::sys_seconds{}}).decision;
    };
    const auto event = std::get<Event>(decide(R"({"a":"-rf","n":null,"c":"AAE="})"));
    EXPECT_THAT(event.invocation.files, // a missing one is left out
        ElementsAre(Pair("C", Optional(std::string("\0\1", 2))), Pair("D", Optional(std::string{"AAE="}))));
    const auto broken = std::get<Event>(decide(R"({"a":"","c":"?"})"));
    EXPECT_THAT(broken.invocation.files, ElementsAre(Pair("C", Optional(std::string{})), Pair("D", Optional(std::string{"?"}))));
    EXPECT_EQ(event.invocation.arguments, (std::vector<std::string>{"/bin/true", "", "-rf", ""}));
    EXPECT_EQ(event.invocation.environment, (std::vector<std::pair<std::string, std::string>>{{"A", "-rf"}}));
    EXPECT_FALSE(event.delivery_id); // webhook runs whatever comes again
    EXPECT_EQ(std::get<Refusal>(decide("{\"a\":\"\\u0000\"}")).status, 413);
    EXPECT_EQ(std::get<Refusal>(decide("{\"a\":\"" + std::string(131'072, 'x') + "\"}")).status, 413);
}

} // namespace
} // namespace belay::hooks
