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

TEST(FormatDiagnostic, HidesALineThatSetsASecret)
{
    for (const char* line : {"token = hunter2", "secret = 'hunter2", "API_TOKEN='hunter2'", "\"password\" = \"hunter2",
             "secret: hunter2", "token 'hunter2'", "secret.github = 'hunter2'", "client-secret-1 = 'hunter2'",
             "auth = { scheme = 'github', secret_file = 'a', secret = 'hunter2' } }",
             "run = ['/bin/true', '--token=hunter2' '']"})
        EXPECT_EQ(format({{"b.toml", 3, 1}, "wrong", line}), "b.toml:3:1: wrong") << line;
}

TEST(FormatDiagnostic, ShowsWhereASecretLies)
{
    for (const char* line : {"auth = { scheme = 'github' secret_file = 'github.secret' }",
             "auth = { secret_env = [\"TOKEN\", 'PASSWORD'] }", "secret_credential = \"token\" # a comment",
             "[hooks.token]", "run = ['/bin/true', '--password', '']"})
        EXPECT_NE(format({{"b.toml", 3, 1}, "wrong", line}).find(line), std::string::npos) << line;
}

TEST(ConfigError, SaysAllOfIt)
{
    const ConfigError error{{{{"a", 1, 1}, "first", ""}, {{"a", 2, 1}, "second", ""}}};
    EXPECT_STREQ(error.what(), "a:1:1: first\na:2:1: second");
    EXPECT_EQ(error.diagnostics().size(), 2U);
}

} // namespace
} // namespace belay::config
