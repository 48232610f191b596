#include "tests/cli/fake_daemon.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace belay::cli {
namespace {

const std::string accepted = R"({"event":"e1","job":"j1","state":"queued"})";

TEST(Send, SignsAsGitHubDoes)
{
    const TemporaryDirectory directory; // the example of GitHub's documentation
    std::ofstream{directory.path("secret")} << "It's a Secret to Everybody\n";
    std::filesystem::permissions(directory.path("secret"), std::filesystem::perms::owner_read);
    FakeDaemon daemon;
    daemon.answer("POST /hooks/a%20b", 202, accepted);
    const Result result = run_belay(
        {"send", "a b", "--url", "unix:" + daemon.socket(), "--data", "-", "--secret-file", directory.path("secret"),
            "--event", "release", "--delivery", "d1", "--header", "X-Extra: y", "--header", "X-Empty:"},
        Reader::program, "Hello, World!");
    EXPECT_EQ(result.exit_status, 0) << result.err;
    EXPECT_EQ(result.out, "queued: job j1, event e1\n");
    const std::string request = daemon.stop().at(0);
    for (const char* expected : {"\r\nX-GitHub-Event: release\r\n", "\r\nX-GitHub-Delivery: d1\r\n",
             "\r\nContent-Type: application/json\r\n", "\r\nX-Extra: y\r\n", "\r\nX-Empty: \r\n",
             "\r\nX-Hub-Signature-256: sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17\r\n",
             "\r\n\r\nHello, World!"})
        EXPECT_NE(request.find(expected), std::string::npos) << expected << " in " << request;
}

TEST(Send, ReadsAFileAndSendsAnEmptyObjectWithout)
{
    const TemporaryDirectory directory;
    std::ofstream{directory.path("payload")} << "{\"a\":1}\n";
    FakeDaemon daemon;
    daemon.answer("POST /hooks/x", 202, accepted);
    (void)run_belay({"send", "x", "--url", "unix:" + daemon.socket(), "--data", directory.path("payload")});
    (void)run_belay({"send", "x", "--url", "unix:" + daemon.socket()});
    const auto& requests = daemon.stop();
    EXPECT_TRUE(requests.at(0).ends_with("\r\n\r\n{\"a\":1}\n"));
    EXPECT_TRUE(requests.at(1).ends_with("\r\n\r\n{}"));
    EXPECT_EQ(requests.at(1).find("X-Hub-Signature"), std::string::npos);
    EXPECT_NE(requests.at(1).find("X-GitHub-Delivery: "), std::string::npos);
}

TEST(Send, ReportsWhatCameOfIt)
{
    FakeDaemon daemon;
    daemon.answer("POST /hooks/d", 200, R"({"event":"e1","job":"j1","state":"succeeded","duplicate":true})");
    daemon.answer("POST /hooks/i", 200, R"({"state":"ignored","reason":"a ping"})");
    daemon.answer("POST /hooks/s", 202,
        R"({"events":[{"hook":"a","event":"e1","job":"j1","state":"queued"},)"
        R"({"hook":"b","state":"ignored","reason":"a ping"}]})");
    daemon.answer("POST /hooks/u", 401, R"({"detail":"The signature does not fit."})");
    const auto send = [&daemon](const std::string& hook, const std::string& option = "--event=push") {
        return run_belay({"send", hook, option, "--url", "unix:" + daemon.socket()});
    };
    EXPECT_EQ(send("d").out, "duplicate of event e1, whose job j1 is succeeded\n");
    EXPECT_EQ(send("i").out, "ignored: a ping\n");
    EXPECT_EQ(send("s").out, "a: queued: job j1, event e1\nb: ignored: a ping\n") << "hooks that share a path";
    const Result refused = send("u");
    EXPECT_EQ(refused.exit_status, 1);
    EXPECT_EQ(refused.err, "belay: 401 Unauthorized: The signature does not fit. (sign it: --secret-file)\n");
    EXPECT_EQ(send("u", "--json").out, "{\"detail\":\"The signature does not fit.\"}\n");
    EXPECT_EQ(send("u", "--json").exit_status, 1);
}

TEST(Send, Exits69WhereNobodyListens)
{
    const Result result = run_belay({"send", "x", "--url", "unix:/nonexistent/s"});
    EXPECT_EQ(result.exit_status, 69);
    EXPECT_NE(result.err.find("see --url"), std::string::npos);
}

} // namespace
} // namespace belay::cli
