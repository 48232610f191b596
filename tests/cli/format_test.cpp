#include "cli/format.hpp"
#include "tests/cli/fake_daemon.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace belay::cli {
namespace {

std::string print(const Table& table, bool colours = false)
{
    std::ostringstream out;
    table.print(out, colours);
    return out.str();
}

TEST(Table, AlignsColumnsByCharacters)
{
    Table table;
    table.add({"ID", "HOOK", "REASON"});
    table.add({"1", "größe", ""});
    table.add({"22", "x", "late"});
    EXPECT_EQ(print(table), "ID  HOOK   REASON\n"
                            "1   größe\n"
                            "22  x      late\n");
}

TEST(Table, KeepsHostileTextOnItsLine)
{
    Table table;
    table.add({"a\nb\x1b[31m", "c"});
    EXPECT_EQ(print(table), "a\\nb\\x1b[31m  c\n");
}

TEST(Table, LeavesAloneWhatIsFitForALine)
{
    Table table;
    table.add({"a\\b", Cell::fit_for_line("a\\b"), "c"});
    EXPECT_EQ(print(table), "a\\\\b  a\\b  c\n");
}

TEST(Table, ColoursDoNotChangeTheColumns)
{
    Table table;
    table.add({{"failed", Style::bad}, "x"});
    table.add({"ok", "y"});
    EXPECT_EQ(print(table, true), "\x1b[31mfailed\x1b[0m  x\nok      y\n");
}

TEST(EscapeForTerminal, KeepsLinesTabsAndBackslashes)
{
    EXPECT_EQ(escape_for_terminal("a\tb\\n\nc\n"), "a\tb\\n\nc\n");
    EXPECT_EQ(escape_for_terminal("\x1b]0;title\x07\r\n"), "\\x1b]0;title\\x07\\r\n");
    EXPECT_EQ(escape_for_terminal(""), "");
}

TEST(FormatTime, CutsTheFraction)
{
    EXPECT_EQ(format_time("2026-03-01T09:30:00.250000Z"), "2026-03-01 09:30:00");
    EXPECT_EQ(format_time("2026-03-01T09:30:00Z"), "2026-03-01 09:30:00");
    for (const char* other : {"", "soon", "2026-13-01T00:00:00Z", "2026-03-01T09:30Z"})
        EXPECT_EQ(format_time(other), other);
}

TEST(FormatElapsed, SaysNoMoreThanMatters)
{
    const char* start = "2026-02-28T23:59:59.900000Z";
    EXPECT_EQ(format_elapsed(start, "2026-03-01T00:00:00.150000Z"), "250ms");
    EXPECT_EQ(format_elapsed(start, "2026-03-01T00:00:03.100000Z"), "3.2s");
    EXPECT_EQ(format_elapsed(start, "2026-03-01T01:05:00Z"), "1h5m");
    EXPECT_EQ(format_elapsed(start, ""), "");
}

TEST(FormatCommand, QuotesAsAShellWould)
{
    const std::vector<std::string> words{"/bin/echo", "a b", "", "it's", "x=1", "$HOME"};
    EXPECT_EQ(format_command(words), R"(/bin/echo 'a b' '' 'it'\''s' x=1 '$HOME')");
}

TEST(FormatCommand, KeepsHostileTextOnItsLine)
{
    const std::vector<std::string> words{"a\nb\x1b[31m\tc's \\", "\u202egnp", "gr\u00f6\u00dfe", "\xff"};
    EXPECT_EQ(format_command(words), R"($'a\nb\x1b[31m\tc\'s \\' $'\xe2\x80\xaegnp' 'größe' $'\xff')");
}

TEST(FormatCommand, IsUnderstoodByAShell)
{
    const std::vector<std::string> words{"a b", "", "it's", "\\", "\\n\\\\'", "$HOME `id` !x \"", "a\nb\r\t",
        "\x01"
        "1",
        "\\ \x1b'\u202e",
        "\xff"
        "f"};
    TemporaryDirectory directory;
    std::ofstream{directory.path("script")} << "printf '%s\\0' " << format_command(words) << " >\"$0.out\"\n";
    ASSERT_EQ(std::system(("bash " + directory.path("script")).c_str()), 0);
    std::ifstream printed{directory.path("script.out")};
    for (const std::string& word : words) {
        std::string read;
        std::getline(printed, read, '\0');
        EXPECT_EQ(read, word);
    }
}

} // namespace
} // namespace belay::cli
