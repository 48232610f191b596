#include "belayd/hooks/payload.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::hooks {
namespace {

using ::testing::HasSubstr;

constexpr const char* form = "application/x-www-form-urlencoded";
constexpr const char* multipart = "multipart/form-data; boundary=B";

/** The whole payload as JSON, or what is wrong with it. */
std::string read(std::string_view body, std::string_view content_type)
{
    Payload payload{body, content_type};
    try {
        return boost::json::serialize(*payload.find(""));
    } catch (const MalformedPayload& malformed) {
        return malformed.what();
    }
}

TEST(Payload, TakesAFormForAnObjectOfFirstTexts)
{
    EXPECT_EQ(read("a=1&b=x+y&a=2&c", form), R"({"a":"1","b":"x y","c":""})");
    EXPECT_EQ(read("a=1", "Application/X-WWW-Form-URLEncoded; charset=utf-8"), R"({"a":"1"})");
    EXPECT_EQ(read("", form), "{}");
    EXPECT_EQ(
        read("--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--B\r\nContent-Disposition: form-data; "
             "name=\"a\"\r\n\r\n2\r\n--B--\r\n",
            multipart),
        R"({"a":"1"})");
    Payload payload{"a%2Fb=1&c~=2", form};
    EXPECT_EQ(*payload.find("/a~1b"), "1");
    EXPECT_EQ(*payload.find("/c~0"), "2");
    EXPECT_EQ(payload.find("/d"), nullptr);
}

TEST(Payload, UnwrapsTheJsonOfAFormWithPayloadAlone)
{
    EXPECT_EQ(read("payload=%7B%22ref%22%3A1%7D", form), R"({"ref":1})");
    EXPECT_EQ(read("payload=+%5B1%5D", form), "[1]");
    EXPECT_EQ(read("--B\r\nContent-Disposition: form-data; name=payload\r\n\r\n{\"ref\": 1}\r\n--B--", multipart),
        R"({"ref":1})");
    EXPECT_EQ(read("payload=%7B%7D&x=1", form), R"({"payload":"{}","x":"1"})");
    EXPECT_EQ(read("payload=text", form), R"({"payload":"text"})");
    EXPECT_EQ(read("payload=7", form), R"({"payload":"7"})");
    EXPECT_THAT(read("payload=%7B", form), HasSubstr("is not JSON"));
    std::string deep = "payload=";
    for (int i = 0; i < 33; ++i)
        deep += "%5B";
    EXPECT_THAT(read(deep, form), HasSubstr("32 levels"));
}

TEST(Payload, IsNotChosenByAnUnsignedContentType)
{
    const std::string json = R"({"comment":"&ref=refs/heads/main&","n":1})";
    for (const char* type : {form, multipart, "application/json", "text/plain", "", ";"})
        EXPECT_EQ(read(json, type), json) << type;
    EXPECT_EQ(read(" \r\n[\"&a=b\"]", form), R"(["&a=b"])");
    EXPECT_THAT(read("\"&ref=main&\"", form), HasSubstr("must be percent-encoded"));
    const std::string parts = "--B\r\nContent-Disposition: form-data; name=comment\r\n\r\n&ref=main&\r\n--B--";
    EXPECT_EQ(read(parts, multipart), R"({"comment":"&ref=main&"})");
    EXPECT_THAT(read(parts, form), HasSubstr("must be percent-encoded"));
    EXPECT_THAT(read(parts, "application/json"), HasSubstr("is not JSON"));
    EXPECT_THAT(read(parts, "multipart/form-data; boundary=C"), HasSubstr("does not begin with its boundary"));
    for (const char* type : {"application/json", "text/plain", "", multipart})
        EXPECT_THAT(read("ref=main", type), HasSubstr("is not")) << type;
}

TEST(Payload, IsJsonWhereItCouldBeAForm)
{
    for (const char* const scalar : {"123", "-1", "true", "null"})
        EXPECT_EQ(read(scalar, form), read(scalar, "application/json"));
    EXPECT_EQ(read("123=", form), R"({"123":""})");
}

TEST(Payload, BoundsTheMembersOfAnObject)
{
    const auto object = [](int members) {
        std::string text = "{";
        for (int i = 0; i < members; ++i)
            text += "\"key" + std::to_string(i) + "\":[\"a:\\\"\",{\"b\":0}],";
        text.back() = '}';
        return text;
    };
    const std::string most = object(2'000);
    EXPECT_EQ(read(most, "application/json"), most);
    for (const std::string& text : {object(2'001), "[[" + object(2'001) + "]]", R"({"a":)" + object(2'001) + "}"})
        EXPECT_EQ(read(text, "application/json"), "the body has an object of more than 2000 members");
    std::string list = "[";
    for (int i = 0; i < 10'000; ++i)
        list += "{\"a\":1},";
    list.back() = ']';
    EXPECT_EQ(read(list, "application/json"), list);
    EXPECT_THAT(read(std::string(100'000, '['), "application/json"), HasSubstr("more than 32 levels deep"));
    EXPECT_THAT(read("{\"" + std::string(100'000, '\\'), "application/json"), HasSubstr("is not JSON"));
}

TEST(Payload, RefusesAFormThatIsNone)
{
    EXPECT_THAT(read("a=%zz", form), HasSubstr("a character in it must be percent-encoded"));
    EXPECT_THAT(read("a=1", "multipart/form-data"), HasSubstr("names no boundary"));
    EXPECT_THAT(read("a=1", "multipart/form-data; boundary=\"\""), HasSubstr("the boundary in Content-Type"));
    EXPECT_THAT(read("a=1", "multipart/mixed; boundary=B"), HasSubstr("is not JSON"));
}

TEST(Payload, BoundsTheFieldsOfAForm)
{
    std::string most = "a";
    for (int i = 1; i < 1'000; ++i)
        most += "&a";
    EXPECT_EQ(read(most, form), R"({"a":""})");
    EXPECT_THAT(read(most + "&a", form), HasSubstr("more than 1000 fields"));
}

} // namespace
} // namespace belay::hooks
