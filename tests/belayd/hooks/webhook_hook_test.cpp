#include "belayd/config/load.hpp"
#include "belayd/hooks/encoding.hpp"
#include "belayd/hooks/hook_table.hpp"
#include "belayd/hooks/mac.hpp"
#include "belayd/hooks/webhook_hook.hpp"
#include "github_signature.hpp"
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
        const Input input{sample, {}};
        const auto decision = table.find("a")->decide(input).decision;
        if (const auto trace = WebhookHook{config.hooks.at("a"), ""}.trace(input))
            expect_traced(*trace, decision);
        if (const auto* const refusal = std::get_if<Refusal>(&decision))
            return std::to_string(refusal->status);
        return std::holds_alternative<Event>(decision) ? "runs" : "not";
    }

    /** What is decided is what is shown. */
    static void expect_traced(const Trace& trace, const Decision& decision)
    {
        using Result = Trace::Result;
        EXPECT_EQ(trace.result == Result::match, std::holds_alternative<Event>(decision));
        EXPECT_EQ(trace.result == Result::error, std::holds_alternative<Refusal>(decision));
        EXPECT_EQ(trace.culprit() == nullptr, std::holds_alternative<Event>(decision));
    }
};

/** "-(+-.)": of the rule and, in brackets, of those in it; 0 has no value, ! fails, . was not looked
 * at, ? is not known. */
std::string marks_of(const Trace& trace)
{
    std::string marks(1, std::string_view{"+-0!.?"}.at(static_cast<std::size_t>(trace.result)));
    for (const Trace& child : trace.children)
        marks += (&child == &trace.children.front() ? "(" : "") + marks_of(child);
    return trace.children.empty() ? marks : marks + ")";
}

/** The marks, and whose fault it is. */
std::string traced(const std::string& rule, const std::string& json, const SampleRequest::Fields& fields = {},
    Signatures signatures = Signatures::checked, const std::string& more = "")
{
    const auto config = config::parse_config(
        "[hooks.a]\ncompat = \"webhook\"\nauth = \"none\"\nrun = [\"/bin/true\"]\nwhen = " + rule + "\n" + more,
        "belay.toml");
    auto all = fields;
    all.emplace_back("Content-Type", "application/json");
    const SampleRequest request{json, all};
    const WebhookHook hook{config.hooks.at("a"), "", signatures};
    const auto trace = hook.trace({request, {}});
    return marks_of(*trace) + (trace->culprit() == nullptr ? "" : " " + trace->culprit()->why);
}

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

TEST_F(WebhookRules, AreTraced)
{
    const std::string json = R"({"a":1,"n":null})";
    const std::string one = a_is_1;
    EXPECT_EQ(traced(one, json), "+");
    EXPECT_EQ(traced(one, R"({"a":2})"), R"(- path "a" is not "1")");
    EXPECT_EQ(traced(is_missing, json), R"(0 path "x" is missing)");
    EXPECT_EQ(traced(negate(is_missing), json), "+(0)");
    EXPECT_EQ(traced(all(one + ", " + negate(is_missing) + ", " + fails), json), R"(0(+0(0).) path "x" is missing)");
    EXPECT_EQ(traced(any(negate(is_missing) + ", " + one), json), "+(+(0).)");
    EXPECT_EQ(
        traced(any(std::string{fails} + ", " + one), json), R"(!(!.) path "n.x" cannot be read as webhook reads it)");
    EXPECT_EQ(traced(one, json, {}, Signatures::checked, "max_body = \"6B\"\n"), ".") << "413";
}

TEST_F(WebhookRules, ShowTheValuesThatTheySee)
{
    const auto config = config::parse_config("[hooks.a]\ncompat = \"webhook\"\nauth = \"none\"\nrun = [\"/bin/true\"]\n"
                                             "when = { all = [{ path = \"a\", exists = true }, { request = "
                                             "\"remote_address\", in = [\"192.0.2.0/24\"] }, { path = \"n\", regex = "
                                             "\"z\" }] }\n",
        "belay.toml");
    const SampleRequest request{R"({"a":[1],"n":"abc"})", {{"Content-Type", "application/json"}}};
    const http::Peer peer{.address = "192.0.2.7", .port = 4711};
    http::Request sample = request;
    sample.peer = &peer;
    const WebhookHook hook{config.hooks.at("a"), ""};
    const auto trace = hook.trace({sample, {}});
    ASSERT_EQ(marks_of(*trace), "-(++-)");
    EXPECT_EQ(trace->children.at(0).value, "[1]");
    EXPECT_EQ(trace->children.at(1).value, "192.0.2.7");
    EXPECT_EQ(trace->children.at(2).value, "abc");
}

TEST_F(WebhookRules, CheckSignaturesOrAssumeThem)
{
    const std::string rule = "{ signature = { scheme = \"custom\", header = \"X-S\", label = \"sha256=\", secret_env = "
                             "\"BELAYTEST_SIGNATURE\" } }";
    const std::string either = any(rule + ", " + a_is_1);
    const SampleRequest::Fields wrong{{"X-S", "sha256=00"}};
    const std::string json = R"({"a":1})";
    ::unsetenv("BELAYTEST_SIGNATURE");
    EXPECT_THROW((void)traced(rule, json), config::ConfigError);
    EXPECT_EQ(traced(rule, json, wrong, Signatures::assumed), "+");
    EXPECT_EQ(traced(rule, json, {}, Signatures::assumed), "+");
    ASSERT_EQ(::setenv("BELAYTEST_SIGNATURE", "hush", 1), 0);
    EXPECT_EQ(traced(rule, json, {{"X-S", github_signature("hush", json)}}), "+");
    EXPECT_EQ(traced(rule, json, wrong).substr(0, 2), "! ") << "webhook answers 500";
    EXPECT_EQ(traced(rule, json).substr(0, 2), "0 ");
    EXPECT_EQ(traced(either, json, wrong).substr(0, 5), "!(!.)");
    EXPECT_EQ(traced(either, json, wrong, Signatures::checked, "webhook = { soft_signatures = true }\n"), "+(-+)");
    EXPECT_EQ(traced(either, json), "+(0+)");
    EXPECT_EQ(decide(rule, json, wrong), "500");
    EXPECT_EQ(decide(rule, json), "not");
    ::unsetenv("BELAYTEST_SIGNATURE");
}

TEST_F(WebhookRules, AssumeNoSignatureBelowNot)
{
    const std::string rule =
        "{ signature = { scheme = \"custom\", header = \"X-S\", secret_env = \"BELAYTEST_NONE\" } }";
    const std::string json = R"({"a":1})";
    const std::string no = negate(a_is_1);
    EXPECT_EQ(traced(negate(rule), json, {}, Signatures::assumed), "?(?)");
    EXPECT_EQ(traced(negate(negate(rule)), json, {}, Signatures::assumed), "?(?(?))");
    EXPECT_EQ(traced(all(negate(rule) + ", " + no), json, {}, Signatures::assumed).substr(0, 11), "-(?(?)-(+))");
    EXPECT_EQ(traced(any(negate(rule) + ", " + rule), json, {}, Signatures::assumed), "+(?(?)+)");
}

/** What both make of a request of which the Authorization is not kept. */
std::string judged_without(const std::string& rule, const std::string& json)
{
    const auto config = config::parse_config(
        "[hooks.a]\ncompat = \"webhook\"\nauth = \"none\"\nrun = [\"/bin/true\"]\nwhen = " + rule, "belay.toml");
    const SampleRequest request{json, {{"Content-Type", "application/json"}, {"Authorization", ""}}};
    const std::vector<std::string> withheld{"authorization"};
    const Input input{.request = request, .now = {}, .withheld = withheld};
    const WebhookHook hook{config.hooks.at("a"), ""};
    const std::string marks = marks_of(*hook.trace(input));
    try {
        const auto decision = hook.decide(input);
        return marks + (std::holds_alternative<Event>(decision)        ? " runs"
                           : std::holds_alternative<Ignored>(decision) ? " not"
                                                                       : " fails");
    } catch (const UnknownSignature& unknown) {
        EXPECT_STREQ(unknown.what(), "belayd keeps no Authorization, since it holds a secret");
        return marks;
    }
}

TEST_F(WebhookRules, LeaveOpenWhatHangsOnWhatIsNotKept)
{
    const std::string json = R"({"a":1,"n":null})";
    const std::string kept = "{ header = \"Authorization\", equals = \"Bearer x\" }";
    const std::string yes = a_is_1;
    const std::string no = negate(a_is_1);
    EXPECT_EQ(judged_without(kept, json), "?");
    EXPECT_EQ(judged_without("{ header = \"Authorization\", exists = true }", json), "?");
    EXPECT_EQ(judged_without(negate(kept), json), "?(?)");
    EXPECT_EQ(judged_without(all(kept + ", " + yes), json), "?(?+)");
    EXPECT_EQ(judged_without(all(kept + ", " + no), json), "-(?-(+)) not");
    EXPECT_EQ(judged_without(all(kept + ", " + is_missing), json), "-(?0) not");
    EXPECT_EQ(judged_without(all(kept + ", " + fails), json), "?(?!)") << "webhook may not come that far";
    EXPECT_EQ(judged_without(all(no + ", " + kept), json), "-(-(+).) not");
    EXPECT_EQ(judged_without(any(kept + ", " + yes), json), "+(?+) runs");
    EXPECT_EQ(judged_without(any(kept + ", " + no), json), "?(?-(+))");
    EXPECT_EQ(judged_without(any(kept + ", " + fails), json), "?(?!)");
    EXPECT_EQ(judged_without(all(negate(all(kept + ", " + no)) + ", " + yes), json), "?(?(?(?-(+)))+)")
        << "where the header is missing, webhook passes that on";
}

TEST_F(WebhookRules, TellOfSignaturesWhatBecameOfThem)
{
    const auto detail = [](const std::string& scheme, const SampleRequest::Fields& fields,
                            Signatures signatures = Signatures::checked) {
        const auto config =
            config::parse_config("[hooks.a]\ncompat = \"webhook\"\nauth = \"none\"\nrun = [\"/bin/true\"]\nwhen = { "
                                 "signature = { " +
                                     scheme + ", secret_env = \"BELAYTEST_SIGNATURE\" } }\n",
                "belay.toml");
        const SampleRequest request{"{}", fields};
        return WebhookHook{config.hooks.at("a"), "", signatures}.trace({request, {}})->detail;
    };
    const std::string custom = "scheme = \"custom\", header = \"X-S\", label = \"sha256=\"";
    EXPECT_EQ(detail(custom, {}, Signatures::assumed), "taken for good, unchecked");
    ASSERT_EQ(::setenv("BELAYTEST_SIGNATURE", "hush", 1), 0);
    EXPECT_EQ(detail(custom, {{"X-S", github_signature("hush", "{}")}}), "BELAYTEST_SIGNATURE");
    EXPECT_EQ(detail(custom, {{"X-S", "sha256=00"}}), "it is by another secret");
    EXPECT_EQ(detail(custom, {}), "header \"X-S\" is missing");
    EXPECT_EQ(detail("scheme = \"scalr\"", {}), "the request has no X-Signature, or no Date");
    EXPECT_EQ(detail("scheme = \"scalr\"", {{"X-Signature", "00"}, {"Date", "x"}}),
        "it is by another secret, or its Date is over 300 s away");
    ::unsetenv("BELAYTEST_SIGNATURE");
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
    EXPECT_THAT(broken.invocation.files,
        ElementsAre(Pair("C", Optional(std::string{})), Pair("D", Optional(std::string{"?"}))));
    EXPECT_EQ(event.invocation.arguments, (std::vector<std::string>{"/bin/true", "", "-rf", ""}));
    EXPECT_EQ(event.invocation.environment, (std::vector<std::pair<std::string, std::string>>{{"A", "-rf"}}));
    EXPECT_FALSE(event.delivery_id); // webhook runs whatever comes again
    EXPECT_EQ(std::get<Refusal>(decide("{\"a\":\"\\u0000\"}")).status, 413);
    EXPECT_EQ(std::get<Refusal>(decide("{\"a\":\"" + std::string(131'072, 'x') + "\"}")).status, 413);
}

} // namespace
} // namespace belay::hooks
