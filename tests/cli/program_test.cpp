#include "cli/program.hpp"
#include "tests/cli/fake_daemon.hpp"

#include <gtest/gtest.h>

namespace belay::cli {
namespace {

TEST(Program, SaysItsVersionAndTeaches)
{
    const Result version = run_belay({"--version"});
    EXPECT_EQ(version.exit_status, 0);
    EXPECT_TRUE(version.out.starts_with("belay ")) << version.out;

    const Result help = run_belay({"--help"});
    EXPECT_EQ(help.exit_status, 0);
    for (const char* expected : {"check", "send", "status", "jobs", "job", "logs", "retry", "cancel", "reload",
             "--json", "--socket", "Examples:", "Exit status:"})
        EXPECT_NE(help.out.find(expected), std::string::npos) << expected;
    EXPECT_EQ(run_belay({"logs", "--help"}).exit_status, 0);
}

TEST(Program, Exits64ForBadUsage)
{
    for (const std::vector<std::string>& arguments :
        std::vector<std::vector<std::string>>{{}, {"frobnicate"}, {"jobs", "--limit", "0"}, {"jobs", "--limit", "x"},
            {"jobs", "extra"}, {"job"}, {"job", "not-an-id"}, {"logs", job_id, "--stdout", "--stderr"},
            {"logs", job_id, "--attempt", "-1"}, {"status", "--what"}, {"send"}, {"send", "x", "--url", "https://a"},
            {"send", "x", "--header", "no-colon"}, {"send", "x", "--data", "/nonexistent"},
            {"send", "x", "--secret-file", "/nonexistent"}, {"send", "x", "--data", "/"}}) {
        std::vector<std::string> all = arguments;
        all.insert(all.end(), {"--socket", "/nonexistent/socket"}); // nothing gets that far
        const Result result = run_belay(all);
        EXPECT_EQ(result.exit_status, 64) << testing::PrintToString(arguments) << result.err;
        EXPECT_NE(result.err, "") << testing::PrintToString(arguments);
        EXPECT_EQ(result.out, "") << testing::PrintToString(arguments);
    }
}

TEST(Program, TakesSharedOptionsBeforeAndAfterTheCommand)
{
    FakeDaemon daemon;
    daemon.answer("GET /api/v1/status", 200, R"({"state":"ready"})");
    const Result before = run_belay({"--json", "--socket", daemon.socket(), "status"});
    const Result after = run_belay({"status", "--json", "--socket", daemon.socket()});
    EXPECT_EQ(before.out, "{\"state\":\"ready\"}\n");
    EXPECT_EQ(after.out, before.out);
}

TEST(Program, FailsWhenItsOutputCannotBeWritten)
{
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    out.setstate(std::ios::badbit);
    FakeDaemon daemon;
    daemon.answer("GET /api/v1/status", 200, "{}");
    Context context{.in = in, .out = out, .err = err};
    EXPECT_EQ(run({"status", "--json", "--socket", daemon.socket()}, context), 1);
    EXPECT_NE(err.str().find("standard output"), std::string::npos);
}

} // namespace
} // namespace belay::cli
