#include "base/utf8.hpp"

#include <gtest/gtest.h>

#include <string>

namespace belay {
namespace {

TEST(EscapeForLine, LeavesPrintableTextAlone)
{
    EXPECT_EQ(escape_for_line("refs/heads/main grün 漢字 🚀"), "refs/heads/main grün 漢字 🚀");
}

TEST(EscapeForLine, MakesControlAndHiddenCharactersVisible)
{
    EXPECT_EQ(escape_for_line("a\nb\r\tc"), "a\\nb\\r\\tc");
    EXPECT_EQ(escape_for_line(std::string_view{"\0\x1b[31m\x7f", 7}), "\\x00\\x1b[31m\\x7f");
    EXPECT_EQ(escape_for_line("x\u202ey\u2028z\ufeff"), "x\\u{202e}y\\u{2028}z\\u{feff}");
    EXPECT_EQ(escape_for_line("\u0085"), "\\u{0085}"); // C1 NEL ends a line in some terminals
    EXPECT_EQ(escape_for_line("\\n"), "\\\\n");        // so that the escaping can be undone
}

TEST(EscapeForLine, MakesInvalidUtf8Visible)
{
    EXPECT_EQ(escape_for_line("\xff\xc3"), "\\xff\\xc3");
    EXPECT_EQ(escape_for_line("\xc0\x80"), "\\xc0\\x80");
    EXPECT_EQ(escape_for_line("\xed\xa0\x80"), "\\xed\\xa0\\x80");
}

TEST(EscapeForLine, CutsAtTheLimit)
{
    EXPECT_EQ(escape_for_line("abcdef", 4), "abcd…");
    EXPECT_EQ(escape_for_line("ab\n\n", 4), "ab\\n…");
    EXPECT_EQ(escape_for_line("abcd", 4), "abcd");
}

TEST(IsValidUtf8, FollowsRfc3629)
{
    for (const char* text : {"", "a", "é", "€", "🚀", "\xf4\x8f\xbf\xbf"})
        EXPECT_TRUE(is_valid_utf8(text)) << text;
    for (const char* text : {"\x80", "\xc3", "\xe2\x82", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xbf\xbf", "\xf4\x90\x80\x80",
             "\xf5\x80\x80\x80", "\xf0\x8f\xbf\xbf"})
        EXPECT_FALSE(is_valid_utf8(text));
}

TEST(ReplaceInvalidUtf8, ReplacesByteByByte)
{
    EXPECT_EQ(replace_invalid_utf8("gr\xc3\xbc\xc3n"), "gr\u00fc\uFFFDn");
    EXPECT_EQ(replace_invalid_utf8("\xed\xa0\x80"), "\uFFFD\uFFFD\uFFFD") << "a surrogate";
    EXPECT_EQ(replace_invalid_utf8(""), "");
    EXPECT_TRUE(is_valid_utf8(replace_invalid_utf8("\xff\x80\xf4")));
}

} // namespace
} // namespace belay
