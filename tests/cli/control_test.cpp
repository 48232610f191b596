#include "cli/control.hpp"
#include "tests/cli/fake_daemon.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace belay::cli {
namespace {

TEST(Control, Exits69WithAHintWhereNobodyListens)
{
    const Result result = run_belay({"status", "--socket", "/nonexistent/control.sock"});
    EXPECT_EQ(result.exit_status, 69);
    EXPECT_EQ(result.err, "belay: cannot connect to unix:/nonexistent/control.sock: No such file or directory "
                          "(is belayd running? see --socket)\n");
}

TEST(Control, FindsTheSocketInTheEnvironment)
{
    const TemporaryDirectory directory;
    FakeDaemon daemon;
    daemon.answer("GET /api/v1/status", 200, "{}");
    ::setenv("BELAY_SOCKET", daemon.socket().c_str(), 1);
    EXPECT_EQ(run_belay({"status"}).exit_status, 0);
    ::unsetenv("BELAY_SOCKET");

    const std::string runtime = std::filesystem::path{daemon.socket()}.parent_path().string();
    std::filesystem::rename(daemon.socket(), runtime + "/control.sock");
    ::setenv("RUNTIME_DIRECTORY", (runtime + ":/nonexistent").c_str(), 1);
    EXPECT_EQ(run_belay({"status"}).exit_status, 0);
    ::unsetenv("RUNTIME_DIRECTORY");

    if (!std::filesystem::exists("/run/belay/control.sock")) {
        std::ofstream{directory.path("belay.toml")} << "[daemon]\nstate_dir = \"" << runtime << "\"\n";
        const Result result = run_belay({"status", "--config", directory.path("belay.toml")});
        EXPECT_EQ(result.exit_status, 0) << result.err;
        EXPECT_EQ(run_belay({"status", "--config", directory.path("none.toml")}).exit_status, 69);
    }
}

/** A directory that nobody but root may look into. */
class ControlBehindAClosedDoor : public testing::Test {
protected:
    void SetUp() override
    {
        std::filesystem::create_directory(closed_);
        ASSERT_EQ(::chmod(closed_.c_str(), 0), 0);
        ASSERT_EQ(::chmod(directory_.path("").c_str(), 0755), 0);
    }
    void TearDown() override { (void)::chmod(closed_.c_str(), 0700); }

    TemporaryDirectory directory_;
    const std::string closed_ = directory_.path("closed");
};

TEST_F(ControlBehindAClosedDoor, TellsWhoMayUseIt)
{
    const auto ask_for_status = [this] {
        drop_privileges();
        const Result result = run_belay({"status", "--socket", closed_ + "/control.sock"});
        std::cerr << result.err;
        std::_Exit(result.exit_status);
    };
    EXPECT_EXIT(ask_for_status(), testing::ExitedWithCode(69),
        "closed/control.sock: Permission denied \\(members of group belay may use it, others need sudo\\)");
}

TEST_F(ControlBehindAClosedDoor, MayBeThere)
{
    const auto look = [this] {
        drop_privileges();
        std::_Exit(may_exist(closed_ + "/control.sock") && !may_exist(directory_.path("missing/control.sock")) ? 0 : 1);
    };
    EXPECT_EXIT(look(), testing::ExitedWithCode(0), "");
}

TEST(Control, ShowsTheDetailOfAProblem)
{
    FakeDaemon daemon;
    daemon.answer("GET /api/v1/status", 503,
        R"({"type":"about:blank","title":"Service Unavailable","status":503,"detail":"Still \u001b[2J starting."})");
    const Result result = ask(daemon, {"status"});
    EXPECT_EQ(result.exit_status, 69); // try again later
    EXPECT_EQ(result.err, "belay: 503 Service Unavailable: Still \\x1b[2J starting.\n");
}

TEST(Answer, IsTolerantOfOtherBodies)
{
    EXPECT_TRUE(make_answer(200, "not json").body.is_null());
    EXPECT_EQ(make_answer(502, "<html>").problem(), "502 Bad Gateway");
    EXPECT_FALSE(make_answer(400, "").ok());
}

} // namespace
} // namespace belay::cli
