#include "belayd/hooks/extract.hpp"
#include "sample_request.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::hooks {
namespace {

using config::ValueSource;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using Kind = ValueSource::Kind;

config::Hook make_hook(std::vector<ValueSource> arguments, std::map<std::string, ValueSource> env = {})
{
    config::Hook hook;
    hook.run.push_back({Kind::literal, "/bin/echo", {}});
    hook.run.insert(hook.run.end(), arguments.begin(), arguments.end());
    hook.env = std::move(env);
    return hook;
}

Invocation accept(const config::Hook& hook, const SampleRequest& request)
{
    Payload payload{static_cast<const http::Request&>(request).body};
    RequestValues values{request, "192.0.2.7", payload, hook.auth};
    auto result = extract(hook, values);
    if (const auto* refusal = std::get_if<Refusal>(&result)) {
        ADD_FAILURE() << refusal->status << " " << refusal->detail;
        return {};
    }
    return std::get<Invocation>(result);
}

Refusal refuse(const config::Hook& hook, const SampleRequest& request)
{
    Payload payload{static_cast<const http::Request&>(request).body};
    RequestValues values{request, "192.0.2.7", payload, hook.auth};
    auto result = extract(hook, values);
    if (auto* refusal = std::get_if<Refusal>(&result))
        return *refusal;
    ADD_FAILURE() << "accepted";
    return {0, ""};
}

/** Why the body is no payload. */
std::string why_malformed(const config::Hook& hook, const SampleRequest& request)
{
    Payload payload{static_cast<const http::Request&>(request).body};
    RequestValues values{request, "192.0.2.7", payload, hook.auth};
    try {
        (void)extract(hook, values);
    } catch (const MalformedPayload& malformed) {
        return malformed.what();
    }
    return "parsed";
}

/** The one argument that the payload gives at the pointer. */
std::string argument(const std::string& pointer, const std::string& body)
{
    const auto invocation = accept(make_hook({{Kind::payload, pointer, {}}}), SampleRequest{body});
    return invocation.arguments.size() == 2 ? invocation.arguments[1] : "";
}

ValueSource payload(const std::string& pointer)
{
    return {Kind::payload, pointer, {}};
}

std::string body_of(std::size_t size)
{
    return "{\"a\":\"" + std::string(size, 'x') + "\"}";
}

TEST(Extract, ADefaultStandsInForWhatIsMissingOnly)
{
    ValueSource source = payload("/a");
    source.fallback = "-the default";
    const auto hook = make_hook({source}, {{"A", source}});
    const auto missing = accept(hook, SampleRequest{"{}"});
    EXPECT_THAT(missing.arguments, ElementsAre("/bin/echo", "-the default")) << "the operator's own words";
    EXPECT_THAT(missing.environment, ElementsAre(Pair("A", "-the default")));
    EXPECT_EQ(accept(hook, SampleRequest{R"({"a":""})"}).arguments.at(1), "");
    EXPECT_EQ(accept(hook, SampleRequest{R"({"a":null})"}).arguments.at(1), "null");
    EXPECT_EQ(refuse(hook, SampleRequest{R"({"a":"-x"})"}).status, 422);
}

TEST(Extract, DecodesBase64)
{
    ValueSource source = payload("/a");
    source.decoding = ValueSource::Decoding::base64;
    source.fallback = "!";
    const auto hook = make_hook({source});
    EXPECT_EQ(accept(hook, SampleRequest{R"({"a":"w7w/Pg=="})"}).arguments.at(1), "ü?>");
    EXPECT_EQ(accept(hook, SampleRequest{R"({"a":""})"}).arguments.at(1), "");
    EXPECT_EQ(accept(hook, SampleRequest{"{}"}).arguments.at(1), "!") << "the default is as it is";
    for (const char* wrong : {"w7w_Pg==", "w7w/Pg", "w7w/Pg=", "w7w/ Pg==", "w7w/Ph==", "w7w/Pg==\\n", "=", "ü"}) {
        const auto refusal = refuse(hook, SampleRequest{std::string{R"({"a":")"} + wrong + "\"}"});
        EXPECT_EQ(refusal.status, 422) << wrong;
        EXPECT_THAT(refusal.detail, HasSubstr("argument 1, payload \"/a\" is not base64"));
    }
    EXPECT_EQ(refuse(hook, SampleRequest{R"({"a":"AA=="})"}).status, 400) << "a NUL";
    EXPECT_EQ(refuse(hook, SampleRequest{R"({"a":"LXg="})"}).status, 422) << "-x";
}

TEST(Extract, ADashIsAllowedWhereTheOperatorSaysSo)
{
    ValueSource source = payload("/a");
    source.allow_dash = true;
    EXPECT_EQ(accept(make_hook({source}), SampleRequest{R"({"a":"--x"})"}).arguments.at(1), "--x");
}

TEST(Extract, AFileHoldsAnything)
{
    auto hook = make_hook({});
    hook.files = {{"BODY", {Kind::request, "body", {}}}, {"NUL", payload("/a")}, {"MISSING", payload("/b")}};
    EXPECT_THAT(accept(hook, SampleRequest{R"({"a":"-\u0000"})"}).files,
        ElementsAre(Pair("BODY", std::nullopt), Pair("NUL", std::string{"-\0", 2})));
    hook.files = {{"LARGE", payload("/a")}};
    EXPECT_EQ(accept(hook, SampleRequest{body_of(300'000)}).files.at(0).second->size(), 300'000U);
}

TEST(Extract, BoundsFilesTogether)
{
    auto hook = make_hook({});
    for (int i = 0; i < 17; ++i)
        hook.files.emplace("F" + std::to_string(i), payload("/a"));
    const auto refusal = refuse(hook, SampleRequest{body_of(8U << 20U)});
    EXPECT_EQ(refusal.status, 413);
    EXPECT_THAT(refusal.detail, HasSubstr("files are over 134217728 bytes together"));
}

TEST(Extract, AVariableThatIsTooLongGoesToItsFile)
{
    ValueSource source = payload("/a");
    source.overflow_file = "NAME_FILE";
    const auto hook = make_hook({}, {{"NAME", source}});
    const auto fits = accept(hook, SampleRequest{body_of(131'071 - 5)});
    EXPECT_EQ(fits.environment.size(), 1U);
    EXPECT_TRUE(fits.files.empty());
    const auto over = accept(hook, SampleRequest{body_of(131'072 - 5)});
    EXPECT_TRUE(over.environment.empty()) << "it is not cut";
    ASSERT_EQ(over.files.size(), 1U);
    EXPECT_EQ(over.files[0].first, "NAME_FILE");
    EXPECT_EQ(over.files[0].second->size(), 131'067U);
    EXPECT_EQ(refuse(hook, SampleRequest{R"({"a":"\u0000"})"}).status, 400) << "a short one is a variable still";

    ValueSource body{Kind::request, "body", {}};
    body.overflow_file = "B";
    const auto all = accept(make_hook({}, {{"NAME", body}}), SampleRequest{std::string(200'000, 'x')});
    EXPECT_THAT(all.files, ElementsAre(Pair("B", std::nullopt)));
}

TEST(Extract, TakesLiteralsAsTheyAre)
{
    const auto hook = make_hook({{Kind::literal, "--force", {}}, {Kind::literal, "$(id)", {}}, {Kind::literal, "", {}}},
        {{"MODE", {Kind::literal, "fast", {}}}});
    const auto invocation = accept(hook, SampleRequest{"not JSON"});
    EXPECT_THAT(invocation.arguments, ElementsAre("/bin/echo", "--force", "$(id)", ""));
    EXPECT_THAT(invocation.environment, ElementsAre(Pair("MODE", "fast")));
}

TEST(Extract, TakesValuesFromPayloadHeaderAndQuery)
{
    const auto hook = make_hook(
        {{Kind::payload, "/repository/full_name", {}}, {Kind::header, "x-github-event", {}}, {Kind::query, "ref", {}}},
        {{"BRANCH", {Kind::payload, "/ref", {}}}, {"WHO", {Kind::header, "User-Agent", {}}}});
    const SampleRequest request{R"({"repository":{"full_name":"a/b"},"ref":"refs/heads/main"})",
        {{"X-GitHub-Event", "push"}, {"User-Agent", "hookshot"}, {"X-GitHub-Event", "second"}},
        "x=1&ref=v%2B1+2&ref=z"};
    const auto invocation = accept(hook, request);
    EXPECT_THAT(invocation.arguments, ElementsAre("/bin/echo", "a/b", "push", "v+1 2"));
    EXPECT_THAT(invocation.environment, ElementsAre(Pair("BRANCH", "refs/heads/main"), Pair("WHO", "hookshot")));
}

TEST(Extract, WritesOtherValuesAsCompactJson)
{
    EXPECT_EQ(argument("/a", R"({"a": "te\"xt\u00e9"})"), "te\"xté");
    EXPECT_EQ(argument("/a", R"({"a": 42})"), "42");
    EXPECT_EQ(argument("/a", R"({"a": 18446744073709551615})"), "18446744073709551615");
    EXPECT_EQ(argument("/a", R"({"a": 1.5})"), "1.5");
    EXPECT_EQ(argument("/a", R"({"a": true})"), "true");
    EXPECT_EQ(argument("/a", R"({"a": null})"), "null");
    EXPECT_EQ(argument("/a", R"({"a": [ 1, "x", { }, [ ], {"b": 0.25, "c": null} ]})"),
        R"([1,"x",{},[],{"b":0.25,"c":null}])");
    EXPECT_EQ(argument("", R"( { "k\n" : "v" } )"), R"({"k\n":"v"})");
}

TEST(Extract, FollowsPointersAsRfc6901Says)
{
    const std::string body = R"({"a/b": 1, "m~n": 2, "": 3, "list": [10, 20], "o": {"1": "x"}})";
    EXPECT_EQ(argument("/a~1b", body), "1");
    EXPECT_EQ(argument("/m~0n", body), "2");
    EXPECT_EQ(argument("/", body), "3");
    EXPECT_EQ(argument("/list/1", body), "20");
    EXPECT_EQ(argument("/o/1", body), "x");
    for (const char* pointer : {"/list/2", "/list/-", "/list/01", "/list/x", "/o/1/2", "/nothing", "/a"})
        EXPECT_EQ(refuse(make_hook({{Kind::payload, pointer, {}}}), SampleRequest{body}).status, 422) << pointer;
}

TEST(Extract, RefusesAMissingArgumentByItsName)
{
    const SampleRequest request{"{}"};
    EXPECT_THAT(refuse(make_hook({{Kind::payload, "/ref", {}}}), request).detail,
        HasSubstr("argument 1, payload \"/ref\" is missing"));
    EXPECT_THAT(refuse(make_hook({{Kind::header, "X-Event", {}}}), request).detail, HasSubstr("header \"X-Event\""));
    EXPECT_THAT(refuse(make_hook({{Kind::query, "ref", {}}}), request).detail, HasSubstr("query \"ref\""));
    EXPECT_EQ(refuse(make_hook({{Kind::query, "ref", {}}}), request).status, 422);
}

TEST(Extract, LeavesOutAMissingVariable)
{
    const auto hook = make_hook({}, {{"A", {Kind::payload, "/a", {}}}, {"B", {Kind::payload, "/b", {}}}});
    EXPECT_THAT(accept(hook, SampleRequest{R"({"b":""})"}).environment, ElementsAre(Pair("B", "")));
}

TEST(Extract, RefusesAnArgumentThatLooksLikeAnOption)
{
    for (const char* value : {"-", "-rf", "--upload-pack=touch /tmp/x", "-1"}) {
        const auto body = std::string{R"({"a":")"} + value + R"("})";
        EXPECT_EQ(refuse(make_hook({{Kind::payload, "/a", {}}}), SampleRequest{body}).status, 422) << value;
    }
    EXPECT_EQ(refuse(make_hook({{Kind::payload, "/a", {}}}), SampleRequest{R"({"a":-1})"}).status, 422);
    EXPECT_EQ(refuse(make_hook({{Kind::header, "H", {}}}), SampleRequest{"", {{"H", "-x"}}}).status, 422);
    EXPECT_EQ(refuse(make_hook({{Kind::query, "q", {}}}), SampleRequest{"", {}, "q=%2Dx"}).status, 422);
    const auto variable = make_hook({}, {{"A", {Kind::header, "H", {}}}});
    EXPECT_THAT(accept(variable, SampleRequest{"", {{"H", "-x"}}}).environment, ElementsAre(Pair("A", "-x")));
}

TEST(Extract, LeavesShellCharactersAlone)
{
    for (const char* value : {";id", "$(id)", "`id`", "a b", "| cat", "*", "~"})
        EXPECT_EQ(argument("/a", std::string{R"({"a":")"} + value + R"("})"), value);
    EXPECT_EQ(argument("/a", R"({"a":"line\nline"})"), "line\nline");
}

TEST(Extract, RefusesNul)
{
    const SampleRequest request{R"({"a":"x\u0000y"})", {}, "q=%00"};
    EXPECT_EQ(refuse(make_hook({{Kind::payload, "/a", {}}}), request).status, 400);
    EXPECT_EQ(refuse(make_hook({{Kind::query, "q", {}}}), request).status, 400);
    EXPECT_EQ(refuse(make_hook({}, {{"A", {Kind::payload, "/a", {}}}}), request).status, 400);
}

TEST(Extract, RefusesWhatIsTooLongForExecve)
{
    const auto body = [](std::size_t size) { return "{\"a\":\"" + std::string(size, 'x') + "\"}"; };
    EXPECT_EQ(argument("/a", body(131'071)).size(), 131'071U);
    EXPECT_EQ(refuse(make_hook({{Kind::payload, "/a", {}}}), SampleRequest{body(131'072)}).status, 413);
    const auto variable = make_hook({}, {{"NAME", {Kind::payload, "/a", {}}}});
    EXPECT_EQ(accept(variable, SampleRequest{body(131'071 - 5)}).environment.size(), 1U);
    EXPECT_EQ(refuse(variable, SampleRequest{body(131'072 - 5)}).status, 413) << "NAME= counts";
    const auto many = make_hook(std::vector<ValueSource>(9, {Kind::payload, "/a", {}}));
    EXPECT_EQ(refuse(many, SampleRequest{body(131'000)}).status, 413);
}

TEST(Extract, RefusesWhatIsNotJson)
{
    const auto hook = make_hook({{Kind::payload, "/a", {}}});
    for (const char* body : {"", "{", "{\"a\":1}x", "{'a':1}", "{\"a\":01}", "{\"a\":NaN}", "[1,]", "payload=%7B%7D",
             "{\"a\":\"\xff\"}", "\xef\xbb\xbf{}"})
        EXPECT_THAT(why_malformed(hook, SampleRequest{body}), HasSubstr("is not JSON")) << body;
}

TEST(Extract, BoundsTheDepthOfJson)
{
    const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
    EXPECT_EQ(argument("", nested(32)), nested(32));
    const auto hook = make_hook({{Kind::payload, "", {}}});
    EXPECT_THAT(why_malformed(hook, SampleRequest{nested(33)}), HasSubstr("32 levels"));
    EXPECT_THAT(why_malformed(hook, SampleRequest{std::string(1'000'000, '[')}), HasSubstr("32 levels"));
}

TEST(Extract, ReadsAQueryToItsEndAndNoFurther)
{
    const auto hook = make_hook({{Kind::query, "q", {}}});
    EXPECT_EQ(accept(hook, SampleRequest{"", {}, "a=1&q=2"}).arguments.back(), "2");
    EXPECT_EQ(refuse(hook, SampleRequest{"", {}, ""}).status, 422);
}

TEST(Extract, RefusesAMalformedQuery)
{
    const auto hook = make_hook({{Kind::query, "q", {}}});
    for (const char* query : {"q=%zz", "q=%", "q=%4"})
        EXPECT_EQ(why_malformed(hook, SampleRequest{"", {}, query}), "the query string is malformed") << query;
    EXPECT_EQ(accept(hook, SampleRequest{"", {}, "&&q&q=2"}).arguments.back(), "");
}

} // namespace
} // namespace belay::hooks
