#include "tests/cli/fake_daemon.hpp"

#include <gtest/gtest.h>

namespace belay::cli {
namespace {

TEST(Reload, SaysSo)
{
    FakeDaemon daemon;
    daemon.answer("POST /api/v1/reload", 200, R"({"ok":true,"message":"reloaded 3 hooks"})");
    const Result result = ask(daemon, {"reload"});
    EXPECT_EQ(result.exit_status, 0);
    EXPECT_EQ(result.out, "reloaded 3 hooks\n");
}

TEST(Reload, PrintsEveryReasonOfARefusal)
{
    const std::string verdict = R"({"ok":false,"message":"a.toml:1:2: one\na.toml:3:4: two\u001b"})";
    for (const int status : {422, 200}) {
        FakeDaemon daemon;
        daemon.answer("POST /api/v1/reload", status, verdict);
        const Result result = ask(daemon, {"reload"});
        EXPECT_EQ(result.exit_status, 1) << status;
        EXPECT_EQ(result.err, "belay: nothing was changed, what ran goes on:\n"
                              "a.toml:1:2: one\na.toml:3:4: two\\x1b\n");
        const Result for_programs = ask(daemon, {"reload", "--json"});
        EXPECT_EQ(for_programs.exit_status, 1);
        EXPECT_EQ(for_programs.out, verdict + "\n");
    }
}

TEST(Reload, FailsWithTheProblemWhereThereIsNoVerdict)
{
    FakeDaemon daemon;
    daemon.answer("POST /api/v1/reload", 503, R"({"detail":"belayd is draining."})");
    daemon.answer("POST /api/v1/reload", 500, "not JSON");
    EXPECT_NE(ask(daemon, {"reload"}).err.find("503 Service Unavailable: belayd is draining."), std::string::npos);
    EXPECT_EQ(ask(daemon, {"reload"}).exit_status, 1);
}

} // namespace
} // namespace belay::cli
