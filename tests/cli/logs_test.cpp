#include "tests/cli/fake_daemon.hpp"

#include <gtest/gtest.h>

namespace belay::cli {
namespace {

const std::string job = "GET /api/v1/jobs/" + job_id;
const std::string output = job + "/output";

TEST(Logs, KeepTheStreamsApart)
{
    FakeDaemon daemon;
    daemon.answer(
        output, 200, R"({"attempt":2,"running":false,"stdout":"out\n\u001b[1m","stderr":"err\n","stdout_dropped":7})");
    const Result both = ask(daemon, {"logs", job_id});
    EXPECT_EQ(both.exit_status, 0);
    EXPECT_EQ(both.out, "out\n\x1b[1m");
    EXPECT_EQ(both.err, "err\nbelay: 7 more bytes of stdout were over the output_limit and not kept\n");

    EXPECT_EQ(ask(daemon, {"logs", job_id, "--stderr"}).out, "");
    EXPECT_EQ(ask(daemon, {"logs", job_id, "--stderr"}).err, "err\n");
    EXPECT_EQ(ask(daemon, {"logs", job_id, "--stdout"}).out, "out\n\x1b[1m");
    EXPECT_EQ(ask(daemon, {"logs", job_id}, Reader::person).out, "out\n\\x1b[1m");
    EXPECT_EQ(ask(daemon, {"logs", job_id, "--raw"}, Reader::person).out, "out\n\x1b[1m");
}

TEST(Logs, DecodeWhatIsNotText)
{
    FakeDaemon daemon;
    daemon.answer(output, 200, R"({"running":false,"stdout_base64":"AP8K","stderr_base64":"gA=="})");
    const Result result = ask(daemon, {"logs", job_id});
    EXPECT_EQ(result.out, (std::string{"\0\xff\n", 3}));
    EXPECT_EQ(result.err, "\x80");
    EXPECT_EQ(ask(daemon, {"logs", job_id}, Reader::person).out, "\\x00\\xff\n");
}

TEST(Logs, OfOneAttempt)
{
    FakeDaemon daemon;
    daemon.answer(output + "?attempt=3", 200, R"({"running":false,"stdout":"three"})");
    EXPECT_EQ(ask(daemon, {"logs", job_id, "--attempt", "3"}).out, "three");
}

TEST(Logs, FollowAnAttemptFromTheQueueToItsEnd)
{
    FakeDaemon daemon;
    daemon.answer(output, 404, R"({"detail":"No attempt yet."})");
    daemon.answer(output, 404, R"({"detail":"No attempt yet."})");
    daemon.answer(output, 200, R"({"attempt":1,"running":true,"stdout":"one\n","stderr":""})");
    daemon.answer(job, 200, R"({"state":"queued"})");
    daemon.answer(output + "?attempt=1", 200, R"({"attempt":1,"running":true,"stdout":"one\n","stderr":"e"})");
    daemon.answer(output + "?attempt=1", 200, R"({"attempt":1,"running":false,"stdout":"one\ntwo\n","stderr":"e"})");
    const Result result = ask(daemon, {"logs", "-f", job_id});
    EXPECT_EQ(result.exit_status, 0) << result.err;
    EXPECT_EQ(result.out, "one\ntwo\n");
    EXPECT_EQ(result.err, "e");
}

TEST(Logs, FollowHoldsBackHalfACharacterForAPerson)
{
    FakeDaemon daemon; // "é" arrives byte by byte; so does the rest of it, at the end
    daemon.answer(output, 200, R"({"attempt":1,"running":true,"stdout_base64":"YcM="})");
    daemon.answer(output + "?attempt=1", 200, R"({"attempt":1,"running":true,"stdout":"aé"})");
    daemon.answer(output + "?attempt=1", 200, R"({"attempt":1,"running":false,"stdout_base64":"YcOpwwo="})");
    EXPECT_EQ(ask(daemon, {"logs", "-f", job_id}, Reader::person).out, "aé\\xc3\n");
}

TEST(Logs, FollowEndsForAJobThatNeverRan)
{
    FakeDaemon daemon;
    daemon.answer(output, 404, R"({"detail":"No attempt yet."})");
    daemon.answer(job, 200, R"({"state":"cancelled"})");
    const Result result = ask(daemon, {"logs", "-f", job_id});
    EXPECT_EQ(result.exit_status, 1);
    EXPECT_EQ(result.err, "belay: 404 Not Found: No attempt yet.\n");
}

TEST(Logs, FollowAsJsonPrintsTheEnd)
{
    FakeDaemon daemon;
    daemon.answer(output, 200, R"({"attempt":1,"running":true,"stdout":"a"})");
    daemon.answer(output + "?attempt=1", 200, R"({"attempt":1,"running":false,"stdout":"ab"})");
    EXPECT_EQ(
        ask(daemon, {"logs", "-f", job_id, "--json"}).out, "{\"attempt\":1,\"running\":false,\"stdout\":\"ab\"}\n");
}

} // namespace
} // namespace belay::cli
