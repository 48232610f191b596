#include "belayd/hooks/encoding.hpp"

#include <gtest/gtest.h>

#include <string>

namespace belay::hooks {
namespace {

TEST(Hex, GoesBothWays)
{
    const std::string bytes{"\x00\x0f\xf0\xff", 4};
    EXPECT_EQ(to_hex(bytes_of(bytes)), "000ff0ff");
    EXPECT_EQ(from_hex("000ff0ff"), bytes);
    EXPECT_EQ(from_hex(""), "");
    for (const char* text : {"0", "0F", "0x", "0 ", "zz", "00\n"})
        EXPECT_EQ(from_hex(text), std::nullopt) << text;
}

TEST(Base64, MatchesRfc4648)
{
    // §10
    const std::pair<std::string, std::string> vectors[]{{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
    for (const auto& [bytes, text] : vectors) {
        EXPECT_EQ(to_base64(bytes_of(bytes)), text);
        EXPECT_EQ(from_base64(text), bytes) << text;
    }
    const std::string binary{"\x00\xff\xfe\x00", 4};
    EXPECT_EQ(from_base64(to_base64(bytes_of(binary))), binary);
}

TEST(Base64, HasOneTextForEachSequenceOfBytes)
{
    for (const char* text : {"Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "=", "Zg==Zg==", "Zm9v\n", " Zm9", "Zm9 ",
             "Zm-v", "Zm_v", "Zg==\n\n\n\n", "Z=g="})
        EXPECT_EQ(from_base64(text), std::nullopt) << text;
}

TEST(Base64Url, IsBase64WithOtherDigitsAndWithoutPadding)
{
    const std::pair<std::string, std::string> vectors[]{{"", ""}, {"f", "Zg"}, {"fo", "Zm8"}, {"foo", "Zm9v"},
        {"\xfb\xff", "-_8"}, {"\xfb\xef\xbe", "----"}, {"\xff\xff\xff", "____"}};
    for (const auto& [bytes, text] : vectors) {
        EXPECT_EQ(to_base64url(bytes_of(bytes)), text);
        EXPECT_EQ(from_base64url(text), bytes) << text;
    }
    for (const char* text : {"Zg==", "Zm8=", "Z", "Zh", "Zm9", "+/8", "Zm9v\n", "Zm9v=", "===="})
        EXPECT_EQ(from_base64url(text), std::nullopt) << text;
}

} // namespace
} // namespace belay::hooks
