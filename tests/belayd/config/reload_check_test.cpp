#include "belayd/config/load.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::config {
namespace {

using ::testing::HasSubstr;

Config parse_file(const std::string& text)
{
    return parse_config(text, "f.toml");
}

TEST(UnreloadableChanges, NamesEachKeyThatNeedsARestart)
{
    const auto changes = unreloadable_changes(parse_file(""),
        parse_file(
            "[daemon]\nstate_dir = '/x'\nhttp_threads = 9\n[store]\nurl = 'sqlite:x'\n[log]\nformat = 'json'\n"));
    ASSERT_EQ(changes.size(), 4U);
    EXPECT_THAT(format(changes[0]), HasSubstr("f.toml:2:1: daemon.state_dir is \"/var/lib/belay\" and cannot become"));
    EXPECT_THAT(format(changes[1]), HasSubstr("f.toml:3:1: daemon.http_threads is 0 and cannot become 9"));
    EXPECT_THAT(format(changes[2]), HasSubstr("f.toml:7:1: log.format is \"auto\""));
    EXPECT_THAT(format(changes[3]), HasSubstr("f.toml:5:1: store.url is"));
}

TEST(UnreloadableChanges, PlacesARemovedKeyInTheFile)
{
    const auto changes = unreloadable_changes(parse_file("[store]\nurl = 'sqlite:x'\n"), parse_file(""));
    ASSERT_EQ(changes.size(), 1U);
    EXPECT_EQ(format(changes[0]),
        "f.toml: store.url is \"sqlite:x\" and cannot become \"sqlite:belay.db\" by a reload: restart belayd");
}

TEST(UnreloadableChanges, IsEmptyForTheRest)
{
    const auto next =
        parse_file("[daemon]\ndrain_timeout = '1s'\n[log]\nlevel = 'debug'\n[ingress]\nlisten = '127.0.0.1:0'\n"
                   "[store]\nretention = '1d'\n[runner]\nmax_jobs = 1\n"
                   "[hooks.a]\nauth = 'none'\nrun = ['/bin/true']\n");
    EXPECT_TRUE(unreloadable_changes(parse_file(""), next).empty());
    EXPECT_TRUE(unreloadable_changes(next, parse_file("")).empty());
}

} // namespace
} // namespace belay::config
