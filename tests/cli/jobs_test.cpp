#include "tests/cli/fake_daemon.hpp"

#include <gtest/gtest.h>

namespace belay::cli {
namespace {

const std::string list = R"({"jobs":[
 {"id":"0193a1b2-0000-7000-8000-00000000002a","event":"e","hook":"deploy","state":"failed",
  "reason":"exited 2\u001b[31m","attempts":3,"enqueued":"2026-03-01T09:30:00.000000Z",
  "run_at":"2026-03-01T09:30:00.000000Z","finished":"2026-03-01T09:30:01.500000Z"},
 {"id":"0193a1b2-0000-7000-8000-000000000029","hook":"x","state":"queued","attempts":0,"finished":null}],
 "next":"0193a1b2-0000-7000-8000-000000000029"})";

TEST(Jobs, AreListedInColumns)
{
    FakeDaemon daemon;
    daemon.answer("GET /api/v1/jobs?limit=20", 200, list);
    const Result result = ask(daemon, {"jobs"});
    EXPECT_EQ(result.exit_status, 0);
    EXPECT_EQ(result.out,
        "ID                                    HOOK    STATE   ATTEMPTS  ENQUEUED (UTC)       TOOK  REASON\n"
        "0193a1b2-0000-7000-8000-00000000002a  deploy  failed  3         2026-03-01 09:30:00  1.5s  exited 2\\x1b[31m\n"
        "0193a1b2-0000-7000-8000-000000000029  x       queued  0\n");
    EXPECT_NE(ask(daemon, {"jobs"}, Reader::person).out.find("--before 0193a1b2-0000-7000-8000-000000000029"),
        std::string::npos);
    EXPECT_EQ(ask(daemon, {"jobs", "--json"}).out, list + "\n");
}

TEST(Job, ShowsACommandThatCanBePasted)
{
    FakeDaemon daemon;
    daemon.answer("GET /api/v1/jobs/" + job_id, 200,
        R"({"id":"x","arguments":["/usr/bin/deploy","C:\\new","it's","two\nlines\u001b[31m"]})");
    EXPECT_NE(ask(daemon, {"job", job_id})
                  .out.find(R"(command  /usr/bin/deploy 'C:\new' 'it'\''s' $'two\nlines\x1b[31m')"
                            "\n"),
        std::string::npos)
        << ask(daemon, {"job", job_id}).out;
}

TEST(Jobs, AreFiltered)
{
    FakeDaemon daemon;
    daemon.answer("GET /api/v1/jobs?state=failed&hook=a%26b&before=" + job_id + "&limit=3", 200, R"({"jobs":[]})");
    const Result result =
        ask(daemon, {"jobs", "--state", "failed", "--hook", "a&b", "--limit", "3", "--before", job_id});
    EXPECT_EQ(result.out, "no jobs\n") << result.err;
}

TEST(Job, IsShownWithItsAttempts)
{
    FakeDaemon daemon;
    daemon.answer("GET /api/v1/jobs/" + job_id, 200, R"({"id":")" + job_id + R"(","hook":"deploy","state":"failed",
        "reason":"used up","arguments":["/usr/bin/deploy","a b"],"delivery_id":"d1","remote":"192.0.2.7",
        "body_bytes":7680,"received":"2026-03-01T09:30:00.000000Z","attempt_list":[
        {"attempt":1,"outcome":"exited","exit_status":2,"started":"2026-03-01T09:30:00Z",
         "finished":"2026-03-01T09:30:00.250000Z","stdout_bytes":10,"stdout_dropped":5,"stderr_bytes":0},
        {"attempt":2,"outcome":"signalled","signal":9,"detail":"x"},{"attempt":3,"outcome":null}]})");
    const Result result = ask(daemon, {"job", job_id});
    EXPECT_EQ(result.exit_status, 0) << result.err;
    EXPECT_EQ(result.out, "job       " + job_id + R"(
hook      deploy
state     failed
reason    used up
command   /usr/bin/deploy 'a b'
delivery  d1
from      192.0.2.7
payload   7680 bytes
received  2026-03-01 09:30:00

ATTEMPT  OUTCOME             STARTED (UTC)        TOOK   STDOUT       STDERR  DETAIL
1        exited 2            2026-03-01 09:30:00  250ms  10 (+5 cut)  0
2        signalled 9 (KILL)                              0            0       x
3        running                                         0            0
)");
}

TEST(Job, ThatIsUnknownExits1)
{
    FakeDaemon daemon;
    daemon.answer("GET /api/v1/jobs/" + job_id, 404, R"({"detail":"There is no such job."})");
    const Result result = ask(daemon, {"job", job_id});
    EXPECT_EQ(result.exit_status, 1);
    EXPECT_EQ(result.err, "belay: 404 Not Found: There is no such job.\n");
}

TEST(RetryAndCancel, PostAndReportTheState)
{
    FakeDaemon daemon;
    daemon.answer("POST /api/v1/jobs/" + job_id + "/retry", 200, R"({"id":"x","state":"queued"})");
    daemon.answer("POST /api/v1/jobs/" + job_id + "/cancel", 409, R"({"detail":"It has ended."})");
    daemon.answer("POST /api/v1/jobs/" + job_id + "/cancel", 202, R"({"id":"x","state":"running"})");
    const Result retried = ask(daemon, {"retry", job_id});
    EXPECT_EQ(retried.exit_status, 0);
    EXPECT_EQ(retried.out, job_id + ": queued\n");
    const Result cancelled = ask(daemon, {"cancel", job_id});
    EXPECT_EQ(cancelled.exit_status, 1);
    EXPECT_EQ(cancelled.err, "belay: 409 Conflict: It has ended.\n");
    EXPECT_EQ(ask(daemon, {"cancel", job_id}).out, job_id + ": being terminated\n");
    EXPECT_NE(daemon.stop()[0].find("\r\nContent-Length: 0\r\n"), std::string::npos); // 411 without
}

} // namespace
} // namespace belay::cli
