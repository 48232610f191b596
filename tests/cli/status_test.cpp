#include "tests/cli/fake_daemon.hpp"

#include <gtest/gtest.h>

namespace belay::cli {
namespace {

TEST(Status, ShowsWhatTheDaemonTells)
{
    FakeDaemon daemon;
    daemon.answer("GET /api/v1/status", 200, R"({"state":"draining","ready":false,"reasons":["it drains\u001b"],
        "status":"waiting for 1 job","version":"0.1.0","pid":7,"uptime_seconds":3661.9,"config_file":"/etc/b.toml",
        "jobs":{"queued":0,"running":1,"succeeded":20},"oldest_ready_age_seconds":{"deploy":90.2},
        "running":[{"job":"j1","hook":"deploy","attempt":2,"started":"2026-03-01T09:30:00.000000Z"}],"later":{}})");
    const Result result = ask(daemon, {"status"});
    EXPECT_EQ(result.exit_status, 0);
    EXPECT_EQ(result.out, R"(state           draining
not ready       it drains\x1b
status          waiting for 1 job
jobs            1 running, 20 succeeded
oldest waiting  1m30s (deploy)
version         0.1.0
pid             7
uptime          1h1m1s
configuration   /etc/b.toml

RUNNING JOB  HOOK    ATTEMPT  STARTED (UTC)
j1           deploy  2        2026-03-01 09:30:00
)");
}

TEST(Status, NeedsNoMember)
{
    FakeDaemon daemon;
    daemon.answer("GET /api/v1/status", 200, R"({"state":"ready"})");
    EXPECT_EQ(ask(daemon, {"status"}).out, "state  ready\n");
}

} // namespace
} // namespace belay::cli
