#include "cli/json.hpp"
#include "tests/cli/fake_daemon.hpp"

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <fstream>

namespace belay::cli {
namespace {

using ::testing::HasSubstr;

class Test : public testing::Test {
protected:
    Test()
    {
        write("belay.toml", R"(
[hooks.deploy]
auth = { scheme = "github", secret_file = "github.secret" }
run = ["/bin/sh", { payload = "/ref" }]
env = { WHO = { payload = "/who" } }
when = { header = "X-GitHub-Event", equals = "push" }
[hooks.slack]
auth = { scheme = "slack", secret_file = "github.secret" }
run = ["/bin/sh"]
[hooks.strict]
compat = "webhook"
auth = "none"
run = ["/bin/sh", { path = "ref" }]
files = { PART = { path = "part", decode = "base64" } }
when = { all = [{ signature = { scheme = "custom", header = "X-Sum", label = "sha256=", secret_file = "github.secret" } }, { request = "remote_address", in = ["192.0.2.0/24"] }] }
webhook = { content_type = "application/json", success_status = 201, mismatch_status = 418 }
[hooks.kept]
auth = "none"
run = ["/bin/sh"]
files = { ALL = { request = "body" }, PART = { payload = "/part" } }
mismatch_status = 404
when = { payload = "/part", exists = true }
[hooks.near]
auth = "none"
run = ["/bin/sh", { request = "method" }, { request = "path" }, { query = "q" }]
when = { request = "remote_address", in = ["192.0.2.0/24"] }
)");
        write("github.secret", "hunter2");
    }

    std::string write(const std::string& name, const std::string& text)
    {
        std::ofstream{directory_.path(name), std::ios::binary} << text;
        EXPECT_EQ(::chmod(directory_.path(name).c_str(), 0600), 0);
        return directory_.path(name);
    }

    Result test(const std::string& cases, std::vector<std::string> options = {})
    {
        const std::string file = write("cases.toml", cases);
        options.insert(options.begin(), {"test", file, "--config", directory_.path("belay.toml")});
        return run_belay(options);
    }

    TemporaryDirectory directory_;
};

constexpr const char* good = R"(
[[case]]
name = "a push"
hook = "deploy"
request = { headers = { X-GitHub-Event = "push" }, body = '{"ref": "main", "who": "me"}' }
expect = "event"
status = 202
arguments = ["main"]
environment = { WHO = "me" }
[[case]]
name = "an issue"
hook = "deploy"
request = { headers = { X-GitHub-Event = "issues" } }
expect = "ignored"
reason = 'when: header "X-GitHub-Event" is not "push"'
[[case]]
hook = "deploy"
signed = true
expect = "refused"
status = 401
[[case]]
hook = "slack"
request = { body = '{"type":"url_verification","challenge":"c"}' }
expect = "answered"
[[case]]
hook = "near"
request = { method = "PUT", query = "q=a%20b", from = "192.0.2.7" }
expect = "event"
arguments = ["PUT", "/hooks/near", "a b"]
[[case]]
hook = "near"
expect = "ignored"
)";

TEST_F(Test, PassesWhatIsAsExpected)
{
    const Result result = test(good);
    EXPECT_EQ(result.exit_status, 0) << result.err;
    EXPECT_EQ(result.out,
        "ok   a push\nok   an issue\nok   case 3\nok   case 4\nok   case 5\nok   case 6\n6 passed, 0 failed\n");
}

TEST_F(Test, ShowsEveryDifference)
{
    const Result result = test(R"([[case]]
name = "wrong texts"
hook = "deploy"
request = { headers = { X-GitHub-Event = "push" }, body = '{"ref": "a b", "who": "me"}' }
expect = "event"
status = 200
arguments = ["ab"]
environment = { WHO = "you", NOBODY = "x" }
[[case]]
name = "too many"
hook = "deploy"
request = { headers = { X-GitHub-Event = "push" }, body = '{"ref": "a"}' }
expect = "event"
arguments = ["a", "b"]
[[case]]
hook = "deploy"
expect = "event"
[[case]]
hook = "deploy"
expect = "ignored"
reason = "ping"
[[case]]
hook = "deplyo"
expect = "event"
[[case]]
hook = "deploy"
request = { body_file = "none.json" }
expect = "event"
[[case]]
hook = "near"
request = { from = "192.0.2.7" }
expect = "refused"
status = 422
)");
    EXPECT_EQ(result.exit_status, 1);
    EXPECT_THAT(result.out, HasSubstr("FAIL wrong texts (" + directory_.path("cases.toml") +
                                      ":1)\n"
                                      "     expected status 200, got 202\n"
                                      "     argument 1: expected ab, got 'a b'\n"
                                      "     variable NOBODY: expected x, got none\n"
                                      "     variable WHO: expected you, got me\n"
                                      "FAIL too many"));
    EXPECT_THAT(result.out, HasSubstr("     expected 2 arguments, got 1\nFAIL case 3"));
    EXPECT_THAT(
        result.out, HasSubstr("     expected event, got ignored: when: header \"X-GitHub-Event\" is missing\n"));
    EXPECT_THAT(result.out, HasSubstr("     expected the reason ping, got 'when: header"));
    EXPECT_THAT(result.out, HasSubstr("has no hook \"deplyo\""));
    EXPECT_THAT(result.out, HasSubstr("none.json: No such file"));
    EXPECT_THAT(result.out, HasSubstr("ok   case 7\n1 passed, 6 failed\n"));
}

TEST_F(Test, ComparesFiles)
{
    const std::string request = R"(request = { body = '{"part":"a\u0000b"}' })";
    const std::string begin = "[[case]]\nhook = 'kept'\nexpect = 'event'\n" + request + "\n";
    const Result same =
        test(begin + R"(files = { ALL = '{"part":"a\u0000b"}', PART = "a\u0000b" })" + "\n" + begin + "files = {}\n");
    EXPECT_EQ(same.out, "ok   case 1\nok   case 2\n2 passed, 0 failed\n") << same.err;
    const Result other = test(begin + R"(files = { ALL = "b", NONE = "", PART = "a" })");
    EXPECT_THAT(other.out, HasSubstr(R"(     file ALL: expected "b", got "{"part":"a\\u0000b"}")"));
    EXPECT_THAT(
        other.out, HasSubstr("     file NONE: expected \"\", got none\n     file PART: expected \"a\", got \"a"));
    EXPECT_THAT(test(begin + "files = { ALL = 7 }").err, HasSubstr("files.ALL must be a string"));
    EXPECT_THAT(test(begin + "files = ['x']").err, HasSubstr("files must be a table of strings"));
}

TEST_F(Test, ExpectsTheStatusOfAMismatch)
{
    EXPECT_EQ(
        test("[[case]]\nhook = 'kept'\nrequest = { body = '{}' }\nexpect = 'ignored'\nstatus = 404\n").exit_status, 0);
    EXPECT_THAT(test("[[case]]\nhook = 'kept'\nrequest = { body = '{}' }\nexpect = 'ignored'\nstatus = 200\n").out,
        HasSubstr("expected status 200, got 404\n"));
}

TEST_F(Test, JudgesAsWebhookDoes)
{
    const Result result = test(R"([[case]]
hook = "strict"
request = { from = "192.0.2.7", body = '{"ref": "main", "part": "eA=="}' }
expect = "event"
status = 201
arguments = ["main"]
files = { PART = "x" }
[[case]]
hook = "strict"
expect = "ignored"
status = 418
[[case]]
name = "no signature"
hook = "strict"
signed = true
request = { from = "192.0.2.7" }
expect = "ignored"
[[case]]
hook = "strict"
signed = true
request = { from = "192.0.2.7", headers = { X-Sum = "sha256=00" } }
expect = "refused"
status = 500
)");
    EXPECT_EQ(result.out, "ok   case 1\nok   case 2\nok   no signature\nok   case 4\n4 passed, 0 failed\n");
}

TEST_F(Test, ReadsABodyFromAFileBesideTheCases)
{
    write("push.json", R"({"ref": "from-file"})");
    const Result result =
        test("[[case]]\nhook = 'deploy'\nrequest = { headers = { x-github-event = 'push' }, body_file = "
             "'push.json' }\nexpect = 'event'\narguments = ['from-file']\n");
    EXPECT_EQ(result.exit_status, 0) << result.out;
}

TEST_F(Test, TellsWhatIsWrongWithAFile)
{
    const Result result = test(R"([[case]]
hook = "deploy"
expects = "event"
request = { bdy = "", headers = { "a b" = "c" }, body = "", body_file = "x" }
[[case]]
hook = 7
expect = "runs"
arguments = "x"
signed = "yes"
[other]
)");
    EXPECT_EQ(result.exit_status, 65);
    EXPECT_EQ(result.out, "");
    for (const char* fault : {":3:1: unknown key \"expects\" in [case], did you mean \"expect\"?",
             ":1:1: a case needs expect", "unknown key \"bdy\" in [case.request]", "\"a b\" is no header field",
             "a request has one body", ":6:8: hook must be a string", ":7:10: expect must be one of \"event\"",
             "arguments must be an array", "signed must be true or false", "unknown key \"other\""})
        EXPECT_THAT(result.err, HasSubstr(fault));
    EXPECT_EQ(test("[case]\nhook = 'a'\n").exit_status, 65);
    EXPECT_EQ(test("[[case]\n").exit_status, 65);
    EXPECT_EQ(
        run_belay({"test", directory_.path("none.toml"), "--config", directory_.path("belay.toml")}).exit_status, 66);
    EXPECT_EQ(run_belay({"test", "--config", directory_.path("belay.toml")}).exit_status, 64);
    EXPECT_EQ(
        run_belay({"test", directory_.path("cases.toml"), "--config", directory_.path("none.toml")}).exit_status, 78);
}

TEST_F(Test, SpeaksJson)
{
    const Result result =
        test("[[case]]\nhook = 'near'\nexpect = 'ignored'\n[[case]]\nhook = 'near'\nexpect = 'event'\n", {"--json"});
    EXPECT_EQ(result.exit_status, 1);
    const auto document = json::parse(result.out);
    EXPECT_EQ(document.at("passed"), 1);
    EXPECT_EQ(document.at("failed"), 1);
    EXPECT_EQ(document.at("cases").at(0).at("passed"), true);
    EXPECT_EQ(document.at("cases").at(1).at("line"), 4);
    EXPECT_EQ(document.at("cases").at(1).at("differences").as_array().size(), 1U);
}

/** The hook `release` of README, and one that negates. */
class TestSignatures : public Test {
protected:
    TestSignatures()
    {
        write("belay.toml", R"(
[hooks.release]
auth = "none"
run = ["/bin/true", { payload = "/ref" }]
[hooks.release.when]
any = [
    { signature = { scheme = "github", secret_file = "github.secret" } },
    { all = [
        { signature = { scheme = "gitlab", secret_file = "none.secret" } },
        { header = "X-Gitlab-Event", equals = "Tag Push Hook" },
    ] },
]
[hooks.negated]
auth = "none"
run = ["/bin/true"]
when = { not = { signature = { scheme = "github", secret_file = "github.secret" } } }
[hooks.strict]
compat = "webhook"
auth = "none"
run = ["/bin/true"]
when = { not = { signature = { scheme = "custom", header = "X-S", secret_file = "github.secret" } } }
)");
    }
};

TEST_F(TestSignatures, AreTakenForGoodWithoutSigned)
{
    const Result result = test("[[case]]\nhook = 'release'\nrequest = { body = '{\"ref\":\"v1\"}' }\narguments = "
                               "['v1']\nexpect = 'event'\n");
    EXPECT_EQ(result.exit_status, 0) << result.out << result.err;
}

TEST_F(TestSignatures, BelowNotAreNot)
{
    const Result result = test("[[case]]\nhook = 'negated'\nexpect = 'ignored'\n[[case]]\nhook = 'negated'\nexpect = "
                               "'event'\n[[case]]\nhook = 'strict'\nexpect = 'ignored'\n[[case]]\nhook = "
                               "'negated'\nsigned = true\nexpect = 'event'\n");
    EXPECT_EQ(result.exit_status, 1);
    const std::string told = "     cannot be told: below \"not\" none is taken for good; signed = true has signatures "
                             "checked\n";
    for (const char* number : {"1", "2", "3"})
        EXPECT_THAT(result.out, testing::ContainsRegex(std::string{"FAIL case "} + number + " [^\n]*\n" + told));
    EXPECT_THAT(result.out, HasSubstr("ok   case 4\n"));
}

TEST_F(TestSignatures, AreCheckedWithIt)
{
    write("none.secret", "x");
    const Result result = test("[[case]]\nhook = 'release'\nsigned = true\nexpect = 'ignored'\n");
    EXPECT_EQ(result.exit_status, 0) << result.out << result.err;
}

} // namespace
} // namespace belay::cli
