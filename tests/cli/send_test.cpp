#include "belayd/hooks/verifier.hpp"
#include "cli/recorded_request.hpp"
#include "cli/trial.hpp"
#include "tests/belayd/hooks/key_pair.hpp"
#include "tests/cli/fake_daemon.hpp"

#include <gmock/gmock.h>
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

/** A request to a daemon that takes everything, or what `belay` says instead. */
class SendAs : public ::testing::Test {
protected:
    std::string send(std::vector<std::string> options, const std::string& secret = "")
    {
        FakeDaemon daemon;
        daemon.answer("POST /hooks/x", 202, accepted);
        if (!secret.empty()) {
            std::filesystem::remove(file_);
            std::ofstream{file_} << secret << '\n';
            std::filesystem::permissions(file_, std::filesystem::perms::owner_read);
            options.insert(options.end(), {"--secret-file", file_});
        }
        options.insert(options.begin(), {"send", "x", "--url", "unix:" + daemon.socket()});
        const Result result = run_belay(std::move(options));
        const auto& requests = daemon.stop();
        EXPECT_EQ(result.exit_status, requests.empty() ? 64 : 0);
        return requests.empty() ? result.err : requests.at(0);
    }

    [[nodiscard]] static bool accepts(const std::string& scheme, const std::string& secret, const std::string& text)
    {
        const RecordedRequest request = parse_recorded_request(text);
        std::vector<hooks::Verifier::Key> keys;
        keys.push_back({hooks::SenderKey{*config::find_scheme(scheme), secret}, {}});
        return hooks::Verifier{*config::find_scheme(scheme), std::move(keys)}.verify(request.view(), now()).authentic;
    }

    TemporaryDirectory directory_;
    std::string file_ = directory_.path("secret");
};

TEST_F(SendAs, EachSenderIsBelieved)
{
    for (const config::Scheme& scheme : config::known_schemes())
        for (const auto& form : scheme.forms) {
            const auto [to_sign, to_verify] = hooks::make_key_pair(form, std::string(32, 'k'));
            const std::string request = send({"--scheme", scheme.name}, to_sign);
            EXPECT_TRUE(accepts(scheme.name, to_verify, request)) << scheme.name << "\n" << request;
            const std::string event = "\r\n" + scheme.event_header + ": " + scheme.usual_event + "\r\n";
            const std::string delivery = "\r\n" + scheme.delivery_header + ": ";
            EXPECT_TRUE(scheme.event_header.empty() || request.find(event) != std::string::npos) << request;
            EXPECT_TRUE(scheme.delivery_header.empty() || request.find(delivery) != std::string::npos) << request;
        }
}

TEST_F(SendAs, ASenderSaysWhatItIsTold)
{
    using ::testing::HasSubstr;
    const std::string standard = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    EXPECT_THAT(send({"--scheme=gitlab", "--event=Tag Push Hook", "--delivery=d1"}, "hush"),
        AllOf(HasSubstr("\r\nX-Gitlab-Event: Tag Push Hook\r\n"), HasSubstr("\r\nIdempotency-Key: d1\r\n"),
            HasSubstr("\r\nX-Gitlab-Token: hush\r\n")));
    EXPECT_THAT(send({"--scheme=svix", "--delivery=msg_1"}, standard),
        AllOf(HasSubstr("\r\nsvix-id: msg_1\r\n"), HasSubstr("\r\nsvix-timestamp: ")));
    EXPECT_THAT(send({"--scheme=bearer", "--delivery=d1"}, "hush"), HasSubstr("\r\nIdempotency-Key: d1\r\n"))
        << "where belayd looks for one of a sender that names none";
    EXPECT_THAT(send({"--scheme=bearer"}, "hush"), Not(HasSubstr("Idempotency-Key")));
}

TEST_F(SendAs, NobodyIsPrecise)
{
    EXPECT_EQ(send({"--scheme=githab"}),
        "belay: --scheme githab: this is none of github, gitea, forgejo, gogs, gitlab, gitlab_signing, bitbucket, "
        "standard_webhooks, svix, stripe, slack, discord, shopify, scalr, bearer\n");
    EXPECT_EQ(send({"--scheme=stripe"}), "belay: --scheme stripe signs: name its secret with --secret-file\n");
    EXPECT_EQ(send({"--scheme=stripe", "--event=paid"}, "hush"),
        "belay: --event paid: stripe has no header for that; what kind of event it is stands in the body\n");
    EXPECT_EQ(send({"--scheme=slack", "--delivery=d1"}, "hush"),
        "belay: --delivery d1: slack has it in the body, at /event_id\n");
    for (const std::string& id : {std::string{" x"}, std::string{}, std::string{"\xc3\xbc"}, std::string(256, 'x')}) {
        const Result result = run_belay({"send", "x", "--delivery", id});
        EXPECT_EQ(result.exit_status, 64) << id;
        EXPECT_THAT(result.err, testing::HasSubstr("an id is 1 to 255 bytes of visible ASCII")) << id;
    }
    EXPECT_THAT(send({"--delivery=" + std::string(255, 'x')}), testing::HasSubstr("xxx\r\n"));
    EXPECT_EQ(send({"--scheme=discord"}, "hush"), "belay: --secret-file " + file_ +
                                                      " is no private key of discord, lower-case hexadecimal digits "
                                                      "of 32 bytes\n");
    EXPECT_EQ(send({"--scheme=svix"}, "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="),
        "belay: --secret-file " + file_ +
            " is a public key, which only verifies: sign with the private one, \"whsk_\" and base64 digits of 32 "
            "bytes\n");
    EXPECT_EQ(send({"--scheme=stripe", "--secret-file", directory_.path("none")}),
        "belay: --secret-file: secret file \"" + directory_.path("none") +
            "\" cannot be opened: No such file or directory\n");
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
