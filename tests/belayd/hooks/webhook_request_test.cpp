#include "belayd/hooks/webhook_request.hpp"
#include "sample_request.hpp"

#include <gtest/gtest.h>

namespace belay::hooks {
namespace {

using Kind = config::ValueSource::Kind;

std::string look_up(const WebhookRequest& request, Kind kind, const std::string& text)
{
    const auto found = request.look_up({kind, text, {}});
    return found.walk == Walk::found ? found.text : found.walk == Walk::missing ? "(missing)" : "(failed)";
}

/** A value of a body of that type; "(none)" where the request is answered 500. */
std::string in_body(
    const std::string& type, const std::string& body, const std::string& path, const config::WebhookCompat& compat = {})
{
    const SampleRequest sample{body, {{"Content-Type", type}}};
    try {
        return look_up(WebhookRequest{sample, compat}, Kind::dotted_path, path);
    } catch (const WebhookFailure&) {
        return "(none)";
    }
}

TEST(WebhookRequest, ReadsTheBodyByPartsOfItsType)
{
    constexpr const char* json = R"({"a":{"b":1.50}})";
    EXPECT_EQ(in_body("application/json", json, "a.b"), "1.50");
    EXPECT_EQ(in_body("application/vnd.x+json; charset=utf-8", json, "a.b"), "1.50");
    EXPECT_EQ(in_body("application/JSON", json, "a.b"), "(missing)"); // in that case only
    EXPECT_EQ(in_body("text/plain", json, "a.b"), "(missing)");
    EXPECT_EQ(in_body("application/json", "[1,{\"c\":\"x\"}]", "root.1.c"), "x");
    EXPECT_EQ(in_body("application/json", "[1", "root"), "(missing)");
    EXPECT_EQ(in_body("application/json", "7", ""), "(missing)");
    EXPECT_EQ(in_body("application/json", "null", "a"), "(missing)");
    EXPECT_EQ(in_body("application/json", "{\"a\":1} and more", "a"), "1");
    EXPECT_EQ(in_body("application/x-www-form-urlencoded", "a=x+y%21&a=2&b", "a"), "x y!");
    EXPECT_EQ(in_body("application/x-www-form-urlencoded", "a=x&b=%zz", "a"), "(missing)"); // all of it
    EXPECT_EQ(in_body("application/x-www-form-urlencoded", "a=x;b", "a"), "(missing)");
    config::WebhookCompat compat;
    compat.content_type = "json";
    EXPECT_EQ(in_body("text/plain", json, "a.b", compat), "1.50");
    EXPECT_THROW((void)in_body("text/xml", "<a/>", "a"), MalformedPayload);
}

TEST(WebhookRequest, ReadsMultipartForms)
{
    const std::string type = "multipart/form-data; boundary=b";
    const auto part = [](const std::string& head, const std::string& content) {
        return "--b\r\nContent-Disposition: form-data; " + head + "\r\n\r\n" + content + "\r\n";
    };
    const std::string body = part("name=a", "1") + part("name=\"a\"", "2") +
                             part("name=f; filename=x.json", R"({"c":"d"})") +
                             part("name=g; filename=y\r\nContent-Type: application/json", R"({"c":"e"})") + "--b--\r\n";
    EXPECT_EQ(in_body(type, body, "a"), "1");
    EXPECT_EQ(in_body(type, body, "f"), "(missing)"); // a file
    EXPECT_EQ(in_body(type, body, "g.c"), "e");       // of JSON
    config::WebhookCompat compat;
    compat.json_parameters.push_back({Kind::dotted_path, "f", {}});
    EXPECT_EQ(in_body(type, body, "f.c", compat), "d");
    EXPECT_EQ(in_body(type, "preamble\n--b\nContent-Disposition: form-data; name=a\n\nx\ny\n--b--", "a"), "x\ny");
    EXPECT_EQ(in_body(type, "--b--", "a"), "(missing)");
    for (const char* broken :
        {"", "x", "--b--\n", "--b\r\n", "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1", "--bc\r\n\r\n--bc--"})
        EXPECT_EQ(in_body(type, broken, "a"), "(none)") << broken;
    EXPECT_EQ(in_body("multipart/form-data; boundary", "--b--", "a"), "(none)");
    EXPECT_EQ(in_body("multipart/mixed; boundary=b", body, "a"), "(missing)");

    const SampleRequest sample{body, {{"Content-Type", type}}};
    EXPECT_EQ(WebhookRequest(sample, {}).body(), ""); // so that a signature is of nothing
}

TEST(WebhookRequest, LooksIntoTheRest)
{
    const SampleRequest sample{"{\"b\":\"<\"}",
        {{"content-type", "application/json"}, {"x-my-HEADER", "1"}, {"X-My-Header", "2"}, {"Host", "h"}},
        "q=a+b&q=c&;=1&x=%zz"};
    const WebhookRequest request{sample, {}};
    EXPECT_EQ(look_up(request, Kind::header, "X-MY-header"), "1");
    EXPECT_EQ(look_up(request, Kind::header, "Host"), "(missing)");
    EXPECT_EQ(look_up(request, Kind::query, "q"), "a b");
    EXPECT_EQ(look_up(request, Kind::query, "x"), "(missing)");
    EXPECT_EQ(look_up(request, Kind::payload, ""), "{\"b\":\"\\u003c\"}");
    EXPECT_EQ(look_up(request, Kind::request, "method"), "POST");
    EXPECT_EQ(look_up(request, Kind::request, "body"), "{\"b\":\"<\"}");
    EXPECT_EQ(look_up(request, Kind::request, "query"), "{\"q\":\"a b\"}");
    EXPECT_EQ(
        look_up(request, Kind::request, "headers"), "{\"Content-Type\":\"application/json\",\"X-My-Header\":\"1\"}");
    EXPECT_EQ(look_up(WebhookRequest{SampleRequest{""}, {}}, Kind::payload, ""), "null");
}

TEST(WebhookRequest, TakesTextsForJson)
{
    config::WebhookCompat compat;
    compat.json_parameters = {{Kind::header, "x-meta", {}}, {Kind::query, "m", {}}, {Kind::dotted_path, "p", {}},
        {Kind::dotted_path, "q", {}}, {Kind::dotted_path, "n", {}}};
    const SampleRequest sample{"p=%7B%22a%22%3A%5B1%5D%7D&q=%5B1%5D&n=null",
        {{"Content-Type", "x-www-form-urlencoded"}, {"X-Meta", R"({"kindOf":1,"kindof":2} x)"}},
        "m=%7B%22b%22:true%7D"};
    const WebhookRequest request{sample, compat};
    EXPECT_EQ(look_up(request, Kind::header, "X-Meta.kindOf"), "2"); // the name is made canonical, dots and all
    EXPECT_EQ(look_up(request, Kind::query, "m.b"), "true");
    EXPECT_EQ(look_up(request, Kind::dotted_path, "p.a.0"), "1");
    EXPECT_EQ(look_up(request, Kind::dotted_path, "q"), "[1]"); // as it was: no object
    EXPECT_EQ(look_up(request, Kind::dotted_path, "n"), "null");
    EXPECT_EQ(look_up(request, Kind::dotted_path, "n.x"), "(missing)");

    compat.json_parameters = {{Kind::dotted_path, "a.b", {}}};
    EXPECT_EQ(in_body("json", R"({"a":{"b":"{}"}})", "a.b", compat), "(none)");
    EXPECT_EQ(in_body("json", R"({"a":{"b":"x"}})", "a.b", compat), "x");
}

} // namespace
} // namespace belay::hooks
