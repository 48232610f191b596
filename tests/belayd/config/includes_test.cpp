#include "belayd/config/includes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace belay::config {
namespace {

using ::testing::HasSubstr;

class Includes : public ::testing::Test {
protected:
    void SetUp() override
    {
        std::string pattern = (std::filesystem::temp_directory_path() / "belay-[x]-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        std::filesystem::create_directory(directory_ / "hooks.d");
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    void write(const std::string& name, std::string_view text) const { std::ofstream{directory_ / name} << text; }

    void write_hook(const std::string& file, const std::string& hook) const
    {
        write(file, "[hooks." + hook + "]\nauth = 'none'\nrun = ['/bin/true']\n");
    }

    [[nodiscard]] std::string path(const std::string& name = "belay.toml") const
    {
        return (directory_ / name).string();
    }

    [[nodiscard]] Config load() const { return load_config(path()); }

    [[nodiscard]] Diagnostic error() const
    {
        try {
            (void)load();
        } catch (const ConfigError& error) {
            EXPECT_EQ(error.diagnostics().size(), 1U) << error.what();
            return error.diagnostics().front();
        }
        ADD_FAILURE() << "loaded";
        return {};
    }

    std::filesystem::path directory_;
};

TEST_F(Includes, AreMergedIntoTheMainFile)
{
    write("belay.toml", "include = ['hooks.d/*.toml', 'more.toml']\n[runner]\nmax_jobs = 3\n");
    write_hook("hooks.d/b.toml", "b");
    write_hook("hooks.d/a.toml", "a");
    write("hooks.d/c.txt", "not TOML");
    write("more.toml", "[runner]\nkill_grace = '3s'\n");
    const auto config = load();
    EXPECT_EQ(config.file, path());
    EXPECT_EQ(config.hooks.size(), 2U);
    EXPECT_EQ(config.max_jobs, 3U);
    EXPECT_EQ(config.kill_grace.count(), 3000);
    EXPECT_EQ(config.origins.at("hooks.a.run").file, path("hooks.d/a.toml"));
    EXPECT_EQ(config.origins.at("runner.kill_grace").file, path("more.toml"));
}

TEST_F(Includes, AreReadInTheOrderOfTheirNames)
{
    write("belay.toml", "include = 'hooks.d/*.toml'\n");
    for (const char* name : {"hooks.d/b.toml", "hooks.d/B.toml", "hooks.d/a.toml"})
        write(name, "x = 1\n");
    try {
        (void)load();
        FAIL();
    } catch (const ConfigError& error) {
        ASSERT_EQ(error.diagnostics().size(), 3U);
        EXPECT_EQ(error.diagnostics()[0].origin.file, path("hooks.d/B.toml"));
        EXPECT_EQ(error.diagnostics()[2].origin.file, path("hooks.d/b.toml"));
        EXPECT_EQ(error.diagnostics()[2].line, "x = 1");
    }
}

TEST_F(Includes, MayMatchNothing)
{
    write("belay.toml", "include = 'none.d/*.toml'\n");
    EXPECT_NO_THROW((void)load());
}

TEST_F(Includes, MustExistWhereTheyAreNoPattern)
{
    write("belay.toml", "\ninclude = ['none.toml']\n");
    EXPECT_THAT(format(error()), HasSubstr("belay.toml:2:12: include \"none.toml\" does not exist"));
}

TEST_F(Includes, SkipTheMainFileAndWhatWasRead)
{
    write("belay.toml", "include = ['*.toml', 'a.toml']\n");
    write_hook("a.toml", "a");
    EXPECT_EQ(load().hooks.size(), 1U);
}

TEST_F(Includes, RefuseAHookDefinedTwice)
{
    write("belay.toml", "include = 'hooks.d/*.toml'\n");
    write_hook("hooks.d/a.toml", "deploy");
    write_hook("hooks.d/b.toml", "deploy");
    const auto found = error();
    EXPECT_EQ(found.origin.file, path("hooks.d/b.toml"));
    EXPECT_EQ(found.origin.line, 1U);
    EXPECT_EQ(found.origin.column, 8U);
    EXPECT_EQ(found.message, "\"deploy\" is already defined at " + path("hooks.d/a.toml") + ":1:8: remove one of them");
}

TEST_F(Includes, RefuseAKeyDefinedTwice)
{
    write("belay.toml", "include = 'a.toml'\n[log]\nlevel = 'info'\n");
    write("a.toml", "[log]\nlevel = 'debug'\n");
    EXPECT_THAT(format(error()), HasSubstr("a.toml:2:1: \"level\" is already defined at " + path() + ":3:1"));
}

TEST_F(Includes, AreForTheMainFileOnly)
{
    write("belay.toml", "include = 'a.toml'\n");
    write("a.toml", "include = 'b.toml'\n");
    EXPECT_THAT(format(error()), HasSubstr("a.toml:1:1: include is allowed in the main file"));
}

TEST_F(Includes, ReportSyntaxErrorsInTheirFile)
{
    write("belay.toml", "include = 'a.toml'\n");
    write("a.toml", "\n\nx = \n");
    const auto found = error();
    EXPECT_EQ(found.origin.file, path("a.toml"));
    EXPECT_EQ(found.origin.line, 3U);
    EXPECT_EQ(found.line, "x = ");
}

TEST_F(Includes, RefuseOtherTypes)
{
    write("belay.toml", "include = 3\n");
    EXPECT_THAT(format(error()), HasSubstr("belay.toml:1:11: include must be a string or an array of strings"));
}

TEST_F(Includes, RefuseFilesThatCannotBeRead)
{
    EXPECT_EQ(format(error()), path() + ": cannot be opened: No such file or directory");
    ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
    EXPECT_EQ(format(error()), path() + ": is not a regular file");
    std::filesystem::remove(path());
    std::filesystem::create_directory(path());
    EXPECT_EQ(format(error()), path() + ": is not a regular file");
}

TEST_F(Includes, RefuseLargeFiles)
{
    write("belay.toml", std::string(2 << 20, '#'));
    EXPECT_THAT(format(error()), HasSubstr("belay.toml:1:1: the file is over 1 MiB"));
}

} // namespace
} // namespace belay::config
