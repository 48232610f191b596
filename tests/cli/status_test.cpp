#include "tests/cli/fake_daemon.hpp"

#include <gtest/gtest.h>

namespace belay::cli {
namespace {

TEST(Status, ShowsWhatTheDaemonTells)
{
    FakeDaemon daemon;
    daemon.answer("GET /api/v1/status", 200, R"({"state":"ready","config_file":"/x\u001b","jobs":{"queued":2}})");
    const Result result = ask(daemon, {"status"});
    EXPECT_EQ(result.exit_status, 0);
    EXPECT_EQ(result.out, "state        ready\nconfig file  /x\\x1b\njobs.queued  2\n");
}

} // namespace
} // namespace belay::cli
