#include "belayd/config/load.hpp"

#include <gtest/gtest.h>

namespace belay::config {
namespace {

TEST(FormatDiagnostic, PutsACaretUnderTheColumn)
{
    EXPECT_EQ(format({{"b.toml", 3, 5}, "wrong", "a = 1"}), "b.toml:3:5: wrong\n    a = 1\n        ^");
    EXPECT_EQ(format({{"b.toml", 3, 8}, "wrong", "\té = 1"}), "b.toml:3:8: wrong\n     é = 1\n          ^");
}

TEST(FormatDiagnostic, LeavesOutWhatItDoesNotKnow)
{
    EXPECT_EQ(format({{"b.toml", 3, 5}, "wrong", ""}), "b.toml:3:5: wrong");
    EXPECT_EQ(format({{"b.toml"}, "cannot be opened", ""}), "b.toml: cannot be opened");
    EXPECT_EQ(format({{}, "and 3 more", ""}), "and 3 more");
}

TEST(FormatDiagnostic, EscapesForATerminal)
{
    const auto text = format({{"b\n.toml", 1, 2}, "key \"\x1b[31m\"", "\x1b]0;title\x07"});
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_EQ(text.find('\x07'), std::string::npos);
    EXPECT_TRUE(text.starts_with("b\\n.toml:1:2: ")) << text;
}

TEST(FormatDiagnostic, CutsLongLines)
{
    EXPECT_LT(format({{"b.toml", 1, 900}, "wrong", std::string(1000, 'x')}).size(), 300U);
}

TEST(ConfigError, SaysAllOfIt)
{
    const ConfigError error{{{{"a", 1, 1}, "first", ""}, {{"a", 2, 1}, "second", ""}}};
    EXPECT_STREQ(error.what(), "a:1:1: first\na:2:1: second");
    EXPECT_EQ(error.diagnostics().size(), 2U);
}

} // namespace
} // namespace belay::config
