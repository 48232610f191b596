#include "belayd/config/toml_limits.hpp"

#include <gtest/gtest.h>

namespace belay::config {
namespace {

std::string times(std::size_t count, std::string_view text)
{
    std::string all;
    for (std::size_t i = 0; i < count; ++i)
        all += text;
    return all;
}

TEST(FindExcess, AllowsWhatAConfigurationNeeds)
{
    EXPECT_FALSE(find_excess(""));
    EXPECT_FALSE(find_excess("a = 1\r\n[b.c]\nd = [{ e = 'é' }, \"[[[\"] # [[["));
    EXPECT_FALSE(find_excess("a = " + times(64, "[") + times(64, "]")));
    EXPECT_FALSE(find_excess(times(10'000, "a = [[1.5, 2.5], { b.c = 1 }]\n")));
}

TEST(FindExcess, RefusesDeepNesting)
{
    const auto excess = find_excess("x = 1\na = " + times(65, "[") + times(65, "]"));
    ASSERT_TRUE(excess);
    EXPECT_EQ(excess->line, 2U);
    EXPECT_EQ(excess->column, 4U + 65U);
    EXPECT_TRUE(find_excess(times(100'000, "[")));
    EXPECT_TRUE(find_excess("a = " + times(65, "{ a = ")));
    EXPECT_TRUE(find_excess("a = [\n" + times(64, "[\n")));
}

TEST(FindExcess, CountsDotsOfAKeyAsNesting)
{
    EXPECT_FALSE(find_excess("a" + times(64, ".a") + " = 1"));
    EXPECT_TRUE(find_excess("a" + times(65, ".a") + " = 1"));
    EXPECT_TRUE(find_excess("[a" + times(64, ".a") + "]"));
    EXPECT_TRUE(find_excess("a = " + times(33, "{ a.a = ")));
}

TEST(FindExcess, IsNotFooledByStringsAndComments)
{
    const std::string deep = times(65, "[");
    for (const std::string& quiet : {"# " + deep, "a = \"" + deep + "\"", "a = '" + deep + "'",
             "a = \"\"\"\n" + deep + "\"\"\"", "a = '''\n" + deep + "'''", "a = \"\\\"" + deep + "\"",
             "a = \"\"\"\\\"\"\"" + deep + "\"\"\"", "a = '''''" + deep + "'''"})
        EXPECT_FALSE(find_excess(quiet)) << quiet;
    for (const std::string& loud : {"# \n" + deep, "a = \"\" " + deep, "a = '\\'" + deep, "a = \"\"\"\"\"\"" + deep,
             "a = \"x\n" + deep, "a = \"\"\"x\"\"\"\"\"" + deep, "a = \"\\\\\"" + deep, "a = ''''''" + deep})
        EXPECT_TRUE(find_excess(loud)) << loud;
}

TEST(FindExcess, RefusesLargeFilesAndStrangeBytes)
{
    EXPECT_FALSE(find_excess(std::string(max_file_bytes, '#')));
    EXPECT_TRUE(find_excess(std::string(max_file_bytes + 1, '#')));
    const auto nul = find_excess(std::string_view{"a = 1\n# \0", 9});
    ASSERT_TRUE(nul);
    EXPECT_EQ(nul->line, 2U);
    EXPECT_EQ(nul->column, 3U);
    const auto latin = find_excess("a = 1\nb = 2\nc = '\xe9'\n");
    ASSERT_TRUE(latin);
    EXPECT_EQ(latin->line, 3U);
}

} // namespace
} // namespace belay::config
