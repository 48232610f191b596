#include "belayd/config/load.hpp"
#include "belayd/hooks/values.hpp"
#include "sample_request.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::hooks {
namespace {

using Kind = config::ValueSource::Kind;
using Type = Value::Type;

std::optional<Value> find(Kind kind, const std::string& text, const SampleRequest& request,
    const config::Auth& auth = {.anybody = true, .scheme = {}, .secrets = {}})
{
    Payload payload{static_cast<const http::Request&>(request).body};
    RequestValues values{request, "192.0.2.7", payload, auth};
    return values.find({kind, text, {}});
}

std::string text_of(Kind kind, const std::string& text, const SampleRequest& request)
{
    const auto value = find(kind, text, request);
    return value ? value->text : "(missing)";
}

TEST(RequestValues, TellTheTypeOfWhatIsInThePayload)
{
    const SampleRequest request{R"({"s":"7","n":7,"d":1.5,"u":18446744073709551615,"t":true,"z":null,"o":{},"a":[]})"};
    const auto type = [&request](const char* pointer) { return find(Kind::payload, pointer, request)->type; };
    EXPECT_EQ(type("/s"), Type::text);
    EXPECT_EQ(type("/n"), Type::number);
    EXPECT_EQ(type("/d"), Type::number);
    EXPECT_EQ(type("/u"), Type::number);
    EXPECT_EQ(type("/t"), Type::boolean);
    EXPECT_EQ(type("/z"), Type::null);
    EXPECT_EQ(type("/o"), Type::composite);
    EXPECT_EQ(type("/a"), Type::composite);
    EXPECT_FALSE(find(Kind::payload, "/x", request));
}

TEST(RequestValues, GiveThePartsOfTheRequest)
{
    const SampleRequest request{"the body", {{"X-A", "1"}}, "q=1"};
    EXPECT_EQ(text_of(Kind::request, "method", request), "POST");
    EXPECT_EQ(text_of(Kind::request, "path", request), "/hooks/test");
    EXPECT_EQ(text_of(Kind::request, "remote_address", request), "192.0.2.7");
    EXPECT_EQ(text_of(Kind::request, "body", request), "the body");
    EXPECT_EQ(find(Kind::request, "body", request)->type, Type::text);
    EXPECT_EQ(find(Kind::request, "headers", request)->type, Type::composite);
}

TEST(RequestValues, GiveHeadersByTheirFirstValues)
{
    const SampleRequest request{"", {{"X-B", "1\"2"}, {"x-b", "3"}, {"A", "gr\xfc"}}};
    EXPECT_EQ(text_of(Kind::request, "headers", request), "{\"x-b\":\"1\\\"2\",\"a\":\"gr\uFFFD\"}");
    EXPECT_EQ(text_of(Kind::request, "headers", SampleRequest{""}), "{}");
}

TEST(RequestValues, GiveTheQueryByItsFirstValues)
{
    EXPECT_EQ(text_of(Kind::request, "query", SampleRequest{"", {}, "a=1&b=x+%C3%BC&a=2&c&d=%FF"}),
        "{\"a\":\"1\",\"b\":\"x ü\",\"c\":\"\",\"d\":\"\uFFFD\"}");
    EXPECT_EQ(text_of(Kind::request, "query", SampleRequest{""}), "{}");
    EXPECT_THROW((void)find(Kind::request, "query", SampleRequest{"", {}, "%"}), MalformedPayload);
}

TEST(EventValues, GiveWhatTheEventIsKnownByAndTheRequestBesides)
{
    const SampleRequest request{"{\"a\":1}"};
    Payload payload{static_cast<const http::Request&>(request).body};
    const config::Auth auth{.anybody = true, .scheme = {}, .secrets = {}};
    RequestValues of_request{request, "192.0.2.7", payload, auth};
    const EventIdentity identity = make_event_identity();
    EXPECT_LT(identity.event, identity.job);
    EXPECT_LT(identity.job, make_event_identity().event);
    const auto find = [&](const std::string& part, std::optional<std::string> delivery_id) {
        EventValues values{of_request, identity, "deploy", delivery_id};
        const auto value = values.find({Kind::event, part, {}});
        return value ? value->text : "(missing)";
    };
    EXPECT_EQ(find("id", {}), to_string(identity.event));
    EXPECT_EQ(find("job", {}), to_string(identity.job));
    EXPECT_EQ(find("hook", {}), "deploy");
    EXPECT_EQ(find("received", {}), format_timestamp(identity.received));
    EXPECT_EQ(find("delivery_id", "d-1"), "d-1");
    EXPECT_EQ(find("delivery_id", {}), "(missing)");
    const std::optional<std::string> none;
    EventValues values{of_request, identity, "deploy", none};
    EXPECT_EQ(values.find({Kind::payload, "/a", {}})->text, "1");
}

TEST(RequestValues, RefuseANumberThatIsLost)
{
    const SampleRequest request{R"({"a":[1e400],"b":1})"};
    EXPECT_THROW((void)text_of(Kind::payload, "/a", request), MalformedPayload);
    EXPECT_THROW((void)text_of(Kind::payload, "/a/0", request), MalformedPayload);
    EXPECT_EQ(text_of(Kind::payload, "/b", request), "1");
}

TEST(IsSecret, IsOfWhatIsSentItselfNotOfASignature)
{
    config::Auth auth;
    auth.scheme.header = "X-Token";
    auth.scheme.forms.resize(1);
    auth.scheme.forms[0].algorithm = config::SignatureForm::Algorithm::hmac_sha256;
    EXPECT_FALSE(is_secret("x-token", auth));
    EXPECT_TRUE(is_credential("x-token", auth));
    auth.scheme.forms[0].algorithm = config::SignatureForm::Algorithm::equality;
    EXPECT_TRUE(is_secret("x-TOKEN", auth));
    for (const char* name : {"authorization", "Proxy-Authorization", "COOKIE", "X-Gitlab-Token"})
        EXPECT_TRUE(is_secret(name, auth)) << name;
    EXPECT_FALSE(is_secret("X-Other", auth));
}

TEST(RequestValues, LeaveCredentialsOutOfTheHeaders)
{
    config::Auth auth;
    auth.scheme.header = "X-Signature";
    const SampleRequest request{"", {{"AUTHORIZATION", "Bearer x"}, {"Cookie", "c"}, {"Proxy-Authorization", "p"},
                                        {"X-Gitlab-Token", "t"}, {"x-signature", "s"}, {"X-Other", "o"}}};
    EXPECT_EQ(find(Kind::request, "headers", request, auth)->text, R"({"x-other":"o"})");
    EXPECT_EQ(find(Kind::header, "X-Signature", request, auth)->text, "s") << "where the operator names it";
}

TEST(RequestValues, LeaveCredentialsOfRulesOutOfTheHeaders)
{
    const auto config = config::parse_config(R"([hooks.a]
auth = "none"
run = ["/bin/true"]
[[hooks.a.when.any]]
not = { signature = { scheme = "custom", header = "X-Token", algorithm = "token", encoding = "plain", secret_file = "a" } }
)",
        "f.toml");
    const config::Hook& hook = config.hooks.at("a");
    const SampleRequest request{"", {{"x-token", "secret"}, {"X-Other", "o"}}};
    Payload payload{"", ""};
    RequestValues values{request, "192.0.2.7", payload, hook.auth, &*hook.when};
    EXPECT_EQ(values.find({Kind::request, "headers", {}})->text, R"({"x-other":"o"})");
}

} // namespace
} // namespace belay::hooks
