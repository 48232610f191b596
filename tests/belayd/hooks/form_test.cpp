#include "belayd/hooks/form.hpp"

#include <gtest/gtest.h>

namespace belay::hooks {
namespace {

std::string decode_field(std::string_view text, std::size_t most = 100)
{
    const auto fields = parse_form(text, most);
    if (!fields)
        return "(malformed)";
    std::string all;
    for (const auto& [name, value] : *fields)
        all += "<" + name + "|" + value + ">";
    return all;
}

TEST(ParseForm, DecodesNamesAndValues)
{
    EXPECT_EQ(decode_field("a=1&b+c=x%2By+z%26&d&=e&a=2"), "<a|1><b c|x+y z&><d|><|e><a|2>");
    EXPECT_EQ(decode_field("url=https://x/?y:@!$'()*,;-._~"), "<url|https://x/?y:@!$'()*,;-._~>");
    EXPECT_EQ(decode_field("n=%00%FF"), std::string("<n|\0\xff>", 6));
}

TEST(ParseForm, LooksAtNoMoreThanItMay)
{
    EXPECT_EQ(decode_field("a&b&c", 2), "<a|><b|>");
}

TEST(ParseForm, RefusesWhatAnEncoderNeverWrites)
{
    for (const char* text : {"a=%zz", "a=%", "a=%4", "a=b c", "a=\"b\"", "{\"a\":1}", "a=\r\n", "--b\r\nX: y",
             "a=\xc3\xbc", "a=<b>", "a=\x01"})
        EXPECT_EQ(decode_field(text), "(malformed)") << text;
    EXPECT_EQ(decode_field(std::string_view{"a=\0&b=1", 7}), "(malformed)");
}

} // namespace
} // namespace belay::hooks
