#include "belayd/hooks/payload.hpp"
#include "belayd/hooks/webhook_json.hpp"

#include <gtest/gtest.h>

namespace belay::hooks {
namespace {

/** What is read, as it is written again. */
std::string round(std::string_view text)
{
    const auto value = parse_go_json(text);
    return value ? to_go_json(*value) : "no JSON";
}

TEST(WebhookJson, IsWhatGoMakesOfIt)
{
    EXPECT_EQ(round(R"( {"b" : [1, 2.50, -0, 1E+2, 99999999999999999999.0e999],"a":{} } )"),
        R"({"a":{},"b":[1,2.50,-0,1E+2,99999999999999999999.0e999]})");
    EXPECT_EQ(round(R"({"a":1,"b":2,"a":{"c":3}})"), R"({"a":{"c":3},"b":2})");
    EXPECT_EQ(round(R"([true,false,null,"x"] and more)"), R"([true,false,null,"x"])");
    EXPECT_EQ(round(R"("<&>\u2028\u0008\t\/\"\\")"), R"("\u003c\u0026\u003e\u2028\u0008\t/\"\\")");
    EXPECT_EQ(round(R"("\ud83d\ude00 \ud83d \ude00 \ud83dA \ud83d\u0041")"),
        "\"\xf0\x9f\x98\x80 \xef\xbf\xbd \xef\xbf\xbd \xef\xbf\xbd"
        "A \xef\xbf\xbd"
        "A\"");
    EXPECT_EQ(round("\"\xff\xc3\x28 \xe2\x82\""), "\"\xef\xbf\xbd\xef\xbf\xbd( \xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST(WebhookJson, IsNothingWhereGoReadsNothing)
{
    for (const char* text : {"", " ", "{", "[1,]", "{\"a\":1,}", "{a:1}", "'a'", "01", "+1", "1.", ".5", "1e", "-",
             "nul", "\"\x01\"", "\"\\x\"", "\"\\u12g4\"", "\"\\u12\"", "{\"a\" 1}", "\"a", "\xef\xbb\xbf{}"})
        EXPECT_EQ(round(text).substr(0, 7) == "no JSON" || std::string_view{text} == "01" ? "" : round(text), "")
            << text;
    EXPECT_EQ(round("01"), "0"); // and "1", which is not looked at
}

TEST(WebhookJson, RefusesWhatIsNestedTooDeep)
{
    EXPECT_EQ(round(std::string(512, '[') + std::string(512, ']')).size(), 1024U);
    EXPECT_THROW((void)parse_go_json(std::string(513, '[')), MalformedPayload);
    EXPECT_THROW((void)parse_go_json(std::string(100'000, '[')), MalformedPayload);
}

std::string walk(std::string_view path, std::string_view json)
{
    const auto value = parse_go_json(json);
    const Found found = find_go_path(path, *value);
    return found.walk == Walk::found ? to_go_text(*found.value) : found.walk == Walk::missing ? "missing" : "failed";
}

TEST(WebhookJson, FollowsPaths)
{
    constexpr const char* json =
        R"({"a":{"b":[10,{"c":"x"}],"b.0":"dotted"},"a.b":{"1":"whole"},"n":null,"t":true,"":5,"e":[]})";
    EXPECT_EQ(walk("a", json), R"({"b":[10,{"c":"x"}],"b.0":"dotted"})");
    EXPECT_EQ(walk("a.b.0", json), "dotted"); // the whole rest as a name first
    EXPECT_EQ(walk("a.b.1.c", json), "x");
    EXPECT_EQ(walk("a.b.1", json), R"({"c":"x"})");
    EXPECT_EQ(walk("a.b.01.c", json), "x");
    EXPECT_EQ(walk("a.b.2", json), "missing");
    EXPECT_EQ(walk("a.b.-1", json), "missing");
    EXPECT_EQ(walk("a.b.+1", json), "missing");
    EXPECT_EQ(walk("a.b.", json), "missing");
    EXPECT_EQ(walk("a.b.9223372036854775808", json), "failed");
    EXPECT_EQ(walk("a.b.99999999999999999999", json), "missing");
    EXPECT_EQ(walk("e.0", json), "missing");
    EXPECT_EQ(walk("n", json), "<nil>");
    EXPECT_EQ(walk("n.a", json), "failed");
    EXPECT_EQ(walk("t.a", json), "missing");
    EXPECT_EQ(walk("t", json), "true");
    EXPECT_EQ(walk("", json), "5");
    EXPECT_EQ(walk("x", json), "missing");
}

} // namespace
} // namespace belay::hooks
