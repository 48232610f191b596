#include "cli/json.hpp"
#include "tests/belayd/hooks/github_signature.hpp"
#include "tests/cli/fake_daemon.hpp"

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <fstream>

namespace belay::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Explain : public testing::Test {
protected:
    Explain()
    {
        write("github.secret", "hunter2");
        write("belay.toml", R"(
[hooks.deploy]
auth = { scheme = "github", secret_file = "github.secret" }
run = ["/bin/sh", "-c", "exit 9", "sh", { payload = "/ref" }]
env = { WHO = { payload = "/who" } }
when = { all = [{ header = "X-GitHub-Event", equals = "push" }, { any = [{ payload = "/ref", equals = "main" }, { payload = "/ref", glob = "v*" }] }, { not = { query = "dry", exists = true } }] }
[hooks.open]
auth = "none"
run = ["/bin/true", { payload = "/a" }]
files = { ALL = { request = "body" }, A = { payload = "/a" } }
[hooks.secretless]
auth = { scheme = "github", secret_file = "none.secret" }
run = ["/bin/true"]
)");
    }

    std::string write(const std::string& name, const std::string& text)
    {
        std::ofstream{directory_.path(name), std::ios::binary} << text;
        EXPECT_EQ(::chmod(directory_.path(name).c_str(), 0600), 0);
        return directory_.path(name);
    }

    Result explain(const std::string& hook, const std::string& request, std::vector<std::string> options = {})
    {
        options.insert(options.begin(), {"explain", hook, "-", "--config", directory_.path("belay.toml")});
        return run_belay(options, Reader::program, request);
    }

    TemporaryDirectory directory_;
};

/** A hook that was adnanh/webhook's. */
class ExplainCompatible : public Explain {
protected:
    ExplainCompatible()
    {
        write("belay.toml", R"(
[hooks.strict]
compat = "webhook"
auth = "none"
run = ["/bin/true", { path = "ref" }]
env = { WHO = { path = "who" } }
webhook = { methods = ["POST"], success_status = 201, mismatch_status = 418 }
[hooks.strict.when]
all = [
  { signature = { scheme = "custom", header = "X-Sum", label = "sha256=", secret_file = "strict.secret" } },
  { any = [{ path = "ref", equals = "main" }, { query = "force", equals = "1" }] },
]
)");
        write("strict.secret", "hush");
    }

    Result explain_json(const std::string& body, std::vector<std::string> options = {})
    {
        options.emplace_back("--header=Content-Type:application/json");
        return explain("strict", body, std::move(options));
    }
};

TEST_F(ExplainCompatible, ShowsTheDecisionOfItsRules)
{
    const std::string body = R"({"ref":"main","who":"me"})";
    const std::string good = "--header=X-Sum:" + hooks::github_signature("hush", body);
    const Result runs = explain_json(body, {good});
    EXPECT_EQ(runs.exit_status, 0) << runs.err;
    EXPECT_THAT(runs.out, HasSubstr("authentication: none: anybody may\nrules:\n  [yes] all of\n"));
    EXPECT_THAT(runs.out, HasSubstr("          [yes] path \"ref\" is \"main\", the value: \"main\"\n"
                                    "          [ - ] query \"force\" is \"1\", not looked at\n"));
    EXPECT_THAT(runs.out, HasSubstr("would run:\n  argument 0: /bin/true\n  argument 1: main\n  variable WHO=me\n"));

    const std::string other = R"({"ref":"dev"})";
    const Result ignored = explain_json(other, {"--header=X-Sum:" + hooks::github_signature("hush", other)});
    EXPECT_EQ(ignored.exit_status, 1);
    EXPECT_THAT(ignored.out, HasSubstr("any of   <- this\n          [no ] path \"ref\" is not \"main\", the value: "
                                       "\"dev\"\n          [no ] query \"force\" is missing\n"));
    EXPECT_THAT(ignored.out, HasSubstr("would not run: ignored with 418: Hook rules were not satisfied.\n"));

    const Result forged = explain_json(other, {good});
    EXPECT_THAT(forged.out, HasSubstr("      [!!!] "));
    EXPECT_THAT(
        forged.out, HasSubstr("would not run: refused with 500: Error occurred while evaluating hook rules.\n"));
    EXPECT_THAT(explain_json(body, {good, "--method=PUT"}).out, HasSubstr("would not run: refused with 405: \n"));
}

TEST_F(ExplainCompatible, TakesSignaturesForGoodWhereItIsTold)
{
    const std::string body = R"({"ref":"main"})";
    EXPECT_THAT(explain_json(body).out, HasSubstr("would not run: ignored with 418")) << "it has none";
    EXPECT_THAT(explain_json(body, {"--no-auth"}).out, HasSubstr("would run:\n"));
    EXPECT_EQ(json::parse(explain_json(body, {"--no-auth", "--json"}).out).at("status"), 201);
    std::filesystem::remove(directory_.path("strict.secret"));
    const Result unreadable = explain_json(body);
    EXPECT_EQ(unreadable.exit_status, 78);
    EXPECT_THAT(unreadable.err, HasSubstr("\"strict.secret\" cannot be opened: No such file or directory (--no-auth "
                                          "takes signatures for good)\n"));
    EXPECT_EQ(explain_json(body, {"--no-auth"}).exit_status, 0);
}

TEST_F(Explain, ShowsWhatFilesWouldHold)
{
    const std::string body = R"({"a":"text"})";
    EXPECT_THAT(explain("open", body).out, HasSubstr("  file A: 4 bytes\n  file ALL: the body\n"));
    const auto files = json::parse(explain("open", body, {"--json"}).out).at("files");
    EXPECT_EQ(files.at("A"), "text");
    EXPECT_EQ(files.at("ALL").as_string(), body);
}

TEST_F(Explain, ShowsWhatWouldBeRun)
{
    const Result result =
        explain("deploy", "POST /hooks/deploy?x=1 HTTP/1.1\nX-GitHub-Event: push\nX-GitHub-Delivery: d-1\n\n"
                          R"-({"ref":"v1 $(id)","who":"it's"})-");
    EXPECT_EQ(result.exit_status, 0) << result.err;
    EXPECT_EQ(result.out, R"-(hook deploy: POST /hooks/deploy?x=1 from 127.0.0.1, a body of 31 bytes
authentication: not checked: the request has no X-Hub-Signature-256
rules:
  [yes] all of
      [yes] header "X-GitHub-Event" is "push", the value: "push"
      [yes] any of
          [no ] payload "/ref" is not "main", the value: "v1 $(id)"
          [yes] payload "/ref" is like "v*", the value: "v1 $(id)"
      [yes] not
          [no ] query "dry" is missing
would run:
  argument 0: /bin/sh
  argument 1: -c
  argument 2: 'exit 9'
  argument 3: sh
  argument 4: 'v1 $(id)'
  variable WHO='it'\''s'
  delivery id: d-1
)-");
}

TEST_F(Explain, NamesTheFirstRuleThatDidNotMatch)
{
    const Result result =
        explain("deploy", R"({"ref":"dev\u001b[2J"})", {"--header", "X-GitHub-Event: push", "--query", "dry=1"});
    EXPECT_EQ(result.exit_status, 1);
    EXPECT_THAT(result.out, HasSubstr("      [no ] any of   <- this\n"));
    EXPECT_THAT(result.out, HasSubstr("payload \"/ref\" is not \"main\", the value: \"dev\\x1b[2J\"\n"))
        << "cannot steer a terminal";
    EXPECT_THAT(result.out, HasSubstr("      [ - ] not, not looked at\n"));
    EXPECT_THAT(
        result.out, HasSubstr("would not run: ignored with 200: when: none of (payload \"/ref\" is \"main\"; "));
}

TEST_F(Explain, ShowsWhatIsRefused)
{
    const Result missing = explain("open", "{}");
    EXPECT_EQ(missing.exit_status, 1);
    EXPECT_THAT(missing.out, HasSubstr("authentication: none: anybody may\nrules: none\nwould not run: refused with "
                                       "422: argument 1, payload \"/a\" is missing"));
    const Result malformed = explain("deploy", "{", {"--header", "X-GitHub-Event:push"});
    EXPECT_EQ(malformed.exit_status, 1);
    EXPECT_THAT(malformed.out, HasSubstr("[!!!] the body is not JSON"));
    EXPECT_THAT(malformed.out, HasSubstr("refused with 400"));
}

TEST_F(Explain, ChecksASignatureThatIsThere)
{
    const std::string body = R"({"ref":"main"})";
    const std::string good = "X-Hub-Signature-256:" + hooks::github_signature("hunter2", body);
    const std::string bad = "X-Hub-Signature-256:" + hooks::github_signature("other", body);
    const Result signed_well = explain("deploy", body, {"--header", "X-GitHub-Event:push", "--header", good});
    EXPECT_EQ(signed_well.exit_status, 0);
    EXPECT_THAT(signed_well.out, HasSubstr("authentication: good, with secret github.secret\n"));
    const Result forged = explain("deploy", body, {"--header", "X-GitHub-Event:push", "--header", bad});
    EXPECT_EQ(forged.exit_status, 1);
    EXPECT_THAT(forged.out, HasSubstr("authentication: refused: the request is not signed with a secret of this hook\n"
                                      "would not run: refused with 401"));
    EXPECT_THAT(forged.out, Not(HasSubstr("rules")));
    EXPECT_EQ(
        explain("deploy", body, {"--no-auth", "--header", "X-GitHub-Event:push", "--header", bad}).exit_status, 0);
    const Result blind = explain("secretless", body, {"--header", bad});
    EXPECT_EQ(blind.exit_status, 0);
    EXPECT_THAT(blind.out, HasSubstr("authentication: not checked: secret file \"none.secret\" cannot be opened"));
}

TEST_F(Explain, AsksWhereARequestComesFrom)
{
    write("belay.toml", "[hooks.near]\nauth = { addresses = ['192.0.2.0/24'] }\nrun = ['/bin/true']\n");
    EXPECT_EQ(explain("near", "{}", {"--from", "192.0.2.7"}).exit_status, 0);
    const Result far = explain("near", "{}", {"--from", "198.51.100.7"});
    EXPECT_EQ(far.exit_status, 1);
    EXPECT_THAT(far.out, HasSubstr("would not run: refused with 403: requests to this hook are not taken from this"));
}

TEST_F(Explain, ShowsAnEventOfTheDaemon)
{
    FakeDaemon daemon;
    daemon.answer("GET /api/v1/events/" + job_id + "/request", 200,
        R"({"hook":"open","method":"PUT","target":"/hooks/x?q=1","headers":[["X-A","1"],["x-a","2"]],)"
        R"("body_base64":"eyJhIjoiYiJ9","remote":"192.0.2.7","received":"2026-03-01T09:30:00.000000Z"})");
    const auto ask_about = [&](const std::string& id) {
        return ask(daemon, {"explain", "open", "--event", id, "--config", directory_.path("belay.toml")});
    };
    const Result result = ask_about(job_id);
    EXPECT_EQ(result.exit_status, 0) << result.err;
    EXPECT_THAT(
        result.out, HasSubstr("PUT /hooks/x?q=1 from 192.0.2.7, a body of 9 bytes\nauthentication: not checked: "));
    EXPECT_THAT(result.out, HasSubstr("  argument 1: b\n"));
    EXPECT_EQ(ask_about("x").exit_status, 64);
    EXPECT_EQ(ask_about("0193a1b2-0000-7000-8000-00000000002b").exit_status, 1) << "belayd has no such event";
    EXPECT_EQ(run_belay({"explain", "open", "--config", directory_.path("belay.toml")}).exit_status, 64);
    EXPECT_EQ(explain("open", "{}", {"--event", job_id}).exit_status, 64) << "one or the other";
}

class ExplainSignatures : public Explain {
protected:
    ExplainSignatures()
    {
        write("belay.toml", R"(
[hooks.either]
auth = "none"
run = ["/bin/true"]
when = { any = [{ signature = { scheme = "github", secret_file = "github.secret" } }, { signature = { scheme = "stripe", secret_file = "github.secret" } }, { signature = { scheme = "bearer", secret_file = "github.secret" } }] }
[hooks.secretless]
auth = "none"
run = ["/bin/true"]
when = { not = { signature = { scheme = "github", secret_file = "none.secret" } } }
)");
    }
};

TEST_F(ExplainSignatures, ShowsWhichSecretFitsAndWhyNone)
{
    const std::string body = "{}";
    const Result good =
        explain("either", body, {"--header", "X-Hub-Signature-256:" + hooks::github_signature("hunter2", body)});
    EXPECT_EQ(good.exit_status, 0) << good.out;
    EXPECT_THAT(good.out, HasSubstr("[yes] signature by \"github\" is good, by secret github.secret\n"));
    EXPECT_THAT(good.out, HasSubstr("[ - ] signature by \"stripe\" is good, not looked at\n"));
    const Result bad =
        explain("either", body, {"--header", "X-Hub-Signature-256:" + hooks::github_signature("other", body)});
    EXPECT_EQ(bad.exit_status, 1);
    EXPECT_THAT(
        bad.out, HasSubstr("[no ] signature by \"github\" is not good: the request is not signed with a secret"));
    EXPECT_THAT(bad.out, HasSubstr("[no ] signature by \"stripe\" is not good: the request has no Stripe-Signature\n"));
    EXPECT_THAT(good.out + bad.out, Not(HasSubstr("hunter2")));
}

TEST_F(ExplainSignatures, SaysWhatCannotBeTold)
{
    const std::vector<std::string> header{"--header", "X-Hub-Signature-256:sha256=00"};
    const Result result = explain("secretless", "{}", header);
    EXPECT_EQ(result.exit_status, 1);
    EXPECT_THAT(
        result.out, HasSubstr("  [ ? ] not\n      [ ? ] signature by \"github\" is good: that cannot be told here, "
                              "secret file \"none.secret\" cannot be opened"));
    EXPECT_THAT(result.out, HasSubstr("\ncannot be told here: secret file \"none.secret\" cannot be opened"));
    const auto document = json::parse(explain("secretless", "{}", {"--json", header[0], header[1]}).out);
    EXPECT_EQ(document.at("outcome"), "unknown");
    EXPECT_TRUE(document.at("status").is_null());
    EXPECT_THAT(std::string{document.at("reason").as_string()}, HasSubstr("none.secret"));
    EXPECT_EQ(document.at("rules").at("rules").at(0).at("result"), "unknown");
    EXPECT_EQ(explain("secretless", "{}").exit_status, 0) << "without the header nobody asks for the secret";
}

TEST_F(ExplainSignatures, OfAnEventAreCheckedAsOfWhenItCame)
{
    const std::string base = "1772357400.{}"; // 2026-03-01T09:30:00Z
    const auto explain_event = [&](const std::string& headers) {
        FakeDaemon daemon;
        daemon.answer("GET /api/v1/events/" + job_id + "/request", 200,
            R"({"hook":"either","method":"POST","target":"/hooks/either","headers":[)" + headers +
                R"(],"body_base64":"e30=","remote":"192.0.2.7","received":"2026-03-01T09:34:59.000000Z"})");
        return ask(daemon, {"explain", "either", "--event", job_id, "--config", directory_.path("belay.toml")});
    };
    const Result good = explain_event(
        R"(["Stripe-Signature","t=1772357400,v1=)" + hooks::github_signature("hunter2", base).substr(7) + R"("])");
    EXPECT_EQ(good.exit_status, 0) << good.out << good.err;
    EXPECT_THAT(good.out, HasSubstr("[yes] signature by \"stripe\" is good, by secret github.secret\n"));
    const Result token = explain_event("");
    EXPECT_EQ(token.exit_status, 1);
    EXPECT_THAT(
        token.out, HasSubstr("[no ] signature by \"github\" is not good: the request has no X-Hub-Signature-256\n"));
    EXPECT_THAT(token.out, HasSubstr("[ ? ] signature by \"bearer\" is good: that cannot be told here, belayd keeps no "
                                     "Authorization, since it holds a secret\n"));
    EXPECT_THAT(token.out, HasSubstr("\ncannot be told here: belayd keeps no Authorization"));
}

TEST_F(ExplainSignatures, AreTakenForGoodWhereItIsTold)
{
    const Result good = explain("either", "{}", {"--no-auth", "--header", "X-GitHub-Delivery:d-1"});
    EXPECT_EQ(good.exit_status, 0) << good.out;
    EXPECT_THAT(good.out, HasSubstr("[yes] signature by \"github\" is good, taken for good, unchecked\n"));
    EXPECT_THAT(good.out, HasSubstr("delivery id: 1/d-1\n"));
    const Result negated = explain("secretless", "{}", {"--no-auth"});
    EXPECT_EQ(negated.exit_status, 1);
    EXPECT_THAT(negated.out, HasSubstr("\ncannot be told here: below \"not\" none is taken for good\n"));
}

/** Of what belayd has kept of a request with credentials. */
class ExplainWithheld : public Explain {
protected:
    Result explain_event(const std::string& hook, const std::string& more, const std::vector<std::string>& options = {})
    {
        write("belay.toml", R"(
[hooks.a]
auth = "none"
run = ["/bin/echo", { header = "authorization" }, { event = "delivery_id", default = "-" }]
env = { COOKIE = { header = "Cookie" }, TOKEN = { header = "X-Token" } }
)" + more);
        FakeDaemon daemon;
        daemon.answer("GET /api/v1/events/" + job_id + "/request", 200,
            R"({"hook":"a","method":"POST","target":"/hooks/a","headers":[["X-GitHub-Delivery","d-1"]],)"
            R"("body_base64":"eyJhIjoxfQ==","remote":"192.0.2.7","received":"2026-03-01T09:30:00.000000Z"})");
        std::vector<std::string> all{"explain", hook, "--event", job_id, "--config", directory_.path("belay.toml")};
        all.insert(all.end(), options.begin(), options.end());
        return ask(daemon, all);
    }
};

TEST_F(ExplainWithheld, HeadersAreNoConfidentValues)
{
    const Result result = explain_event("a", "");
    EXPECT_EQ(result.exit_status, 0) << result.out << result.err;
    EXPECT_THAT(result.out, HasSubstr("  argument 1: not known here: belayd keeps no authorization, since it holds a "
                                      "secret\n  argument 2: d-1\n  variable COOKIE: not known here: belayd keeps no "
                                      "Cookie, since it holds a secret\n  delivery id: d-1\n"));
    const auto document = json::parse(explain_event("a", "", {"--json"}).out);
    EXPECT_TRUE(document.at("arguments").at(1).is_null());
    EXPECT_TRUE(document.at("environment").at("COOKIE").is_null());
    EXPECT_EQ(document.at("arguments").at(2), "d-1");
    EXPECT_THAT(
        explain_event("a", "", {"--header", "Authorization: Bearer x"}).out, HasSubstr("argument 1: 'Bearer x'\n"));
}

TEST_F(ExplainWithheld, HeadersAreThoseOfEveryHookOfThePath)
{
    const Result result = explain_event("a", "[hooks.b]\npath = 'a'\nauth = { scheme = 'custom', algorithm = 'token', "
                                             "encoding = 'plain', header = 'X-Token', "
                                             "secret_file = 'github.secret' }\nrun = ['/bin/true']\n");
    EXPECT_EQ(result.exit_status, 0) << result.out << result.err;
    EXPECT_THAT(result.out, HasSubstr("variable TOKEN: not known here: belayd keeps no X-Token"));
}

TEST_F(ExplainWithheld, RulesThatHangOnThemCannotBeTold)
{
    const Result ignored = explain_event("a", "when = { header = 'Authorization', equals = 'Bearer x' }\n");
    EXPECT_EQ(ignored.exit_status, 1);
    EXPECT_THAT(
        ignored.out, HasSubstr("[ ? ] header \"Authorization\" is \"Bearer x\": that cannot be told here, belayd "
                               "keeps no Authorization, since it holds a secret\n"));
    EXPECT_THAT(ignored.out, HasSubstr("\ncannot be told here: belayd keeps no Authorization"));
    const Result runs = explain_event("a", "when = { any = [{ signature = { scheme = 'bearer', secret_file = "
                                           "'github.secret' } }, { payload = '/a', equals = 1 }] }\n");
    EXPECT_EQ(runs.exit_status, 0) << runs.out << runs.err;
    EXPECT_THAT(
        runs.out, HasSubstr("  argument 2: not known here: belayd keeps no Authorization, since it holds a secret\n"));
    EXPECT_THAT(runs.out, HasSubstr("  delivery id: not known here: belayd keeps no Authorization"));
}

TEST_F(ExplainWithheld, CompatibleHooksAlike)
{
    const std::string strict = R"(
[hooks.strict]
compat = "webhook"
auth = "none"
run = ["/bin/true", { header = "Authorization" }, { request = "headers" }]
)";
    const Result runs = explain_event("strict", strict);
    EXPECT_EQ(runs.exit_status, 0) << runs.out << runs.err;
    EXPECT_THAT(
        runs.out, HasSubstr("argument 1: not known here: belayd keeps no Authorization, since it holds a "
                            "secret\n  argument 2: not known here: belayd keeps no header that holds a secret\n"));
    const Result open = explain_event("strict", strict + "when = { header = 'Authorization', equals = 'Bearer x' }\n");
    EXPECT_EQ(open.exit_status, 1);
    EXPECT_THAT(
        open.out, HasSubstr("[ ? ] header \"Authorization\" is \"Bearer x\": that cannot be told here, belayd"));
}

TEST_F(ExplainCompatible, TellsWhatBecameOfASignature)
{
    const std::string body = "{}";
    EXPECT_THAT(explain_json(body, {"--header=X-Sum:" + hooks::github_signature("hush", body)}).out,
        HasSubstr(" is good, by secret strict.secret\n"));
    EXPECT_THAT(
        explain_json(body, {"--header=X-Sum:sha256=00"}).out, HasSubstr(" is not good: it is by another secret"));
    EXPECT_THAT(explain_json(body).out, HasSubstr(" is not good: header \"X-Sum\" is missing"));
    EXPECT_THAT(explain_json(body, {"--no-auth"}).out, HasSubstr(" is good, taken for good, unchecked\n"));
}

TEST_F(ExplainSignatures, OfAnEventKnowTheMillisecondInWhichItCame)
{
    write("belay.toml", R"(
[hooks.quick]
auth = "none"
run = ["/bin/true"]
when = { signature = { scheme = "custom", header = "X-Sum", secret_file = "github.secret", message = "{timestamp}.{body}", timestamp_header = "X-Time", timestamp_format = "unix_milliseconds", tolerance = "1s" } }
)");
    const std::string sum = hooks::github_signature("hunter2", "1772357401900.{}").substr(7);
    const auto explain_event = [&](const std::string& received) {
        FakeDaemon daemon;
        daemon.answer("GET /api/v1/events/" + job_id + "/request", 200,
            R"({"hook":"quick","method":"POST","target":"/hooks/quick","headers":[["X-Time","1772357401900"],["X-Sum",")" +
                sum + R"("]],"body_base64":"e30=","remote":"192.0.2.7","received":")" + received + R"("})");
        return ask(daemon, {"explain", "quick", "--event", job_id, "--config", directory_.path("belay.toml")});
    };
    const Result good = explain_event("2026-03-01T09:30:00.950000Z");
    EXPECT_EQ(good.exit_status, 0) << good.out << good.err;
    EXPECT_THAT(explain_event("2026-03-01T09:30:00.899999Z").out, HasSubstr("was signed 1.001 s from now"));
    for (const char* wrong : {"2026-03-01T09:30:00Z", "2026-03-01T09:30:00.9Z", "2026-03-01T09:30:00.-50000Z", ""})
        EXPECT_THAT(explain_event(wrong).err, HasSubstr("has no time")) << wrong;
}

TEST_F(Explain, TakesTheRequestsPartsFromOptions)
{
    const Result result = explain("open", "POST /x HTTP/1.1\nContent-Type: text/plain\n\na=1+2",
        {"--header", "content-type: application/x-www-form-urlencoded", "--method", "PUT", "--from", "192.0.2.7"});
    EXPECT_EQ(result.exit_status, 0) << result.out;
    EXPECT_THAT(result.out, HasSubstr("PUT /x from 192.0.2.7"));
    EXPECT_THAT(result.out, HasSubstr("argument 1: '1 2'\n  file A: 3 bytes\n"));
}

TEST_F(Explain, SpeaksJson)
{
    const Result result =
        explain("deploy", R"({"ref":"main","who":"me"})", {"--json", "--header", "X-GitHub-Event:push"});
    EXPECT_EQ(result.exit_status, 0);
    const auto document = json::parse(result.out);
    EXPECT_EQ(document.at("outcome"), "event");
    EXPECT_EQ(document.at("arguments").at(4), "main");
    EXPECT_EQ(document.at("environment").at("WHO"), "me");
    EXPECT_TRUE(document.at("delivery_id").is_null());
    EXPECT_EQ(document.at("rules").at("rules").at(0).at("value"), "push");
    EXPECT_EQ(json::parse(explain("open", R"({"a":"b"})", {"--json", "--header", "X-GitHub-Delivery:d-1"}).out)
                  .at("delivery_id"),
        "d-1");
    const auto ignored = json::parse(explain("deploy", "{}", {"--json"}).out);
    EXPECT_EQ(ignored.at("outcome"), "ignored");
    EXPECT_EQ(ignored.at("first_mismatch"), "header \"X-GitHub-Event\" is missing");
    EXPECT_EQ(ignored.at("status"), 200);
}

TEST_F(Explain, TellsWrongUsageFromAWrongConfiguration)
{
    EXPECT_EQ(run_belay({"explain"}).exit_status, 64);
    const Result unknown = explain("deplyo", "{}");
    EXPECT_EQ(unknown.exit_status, 64);
    EXPECT_THAT(unknown.err, HasSubstr("has no hook \"deplyo\": it has deploy, open, secretless"));
    EXPECT_EQ(explain("open", "{}", {"--header", "no field"}).exit_status, 64);
    EXPECT_EQ(explain("open", "POST / HTTP/1.1\nX: 1\n").exit_status, 65);
    EXPECT_EQ(
        run_belay({"explain", "open", directory_.path("none"), "--config", directory_.path("belay.toml")}).exit_status,
        66);
    write("belay.toml", "[hooks.open]\nauth = 'none'\nrun = ['/bin/true']\nwhen = { payload = '/a', regex = '(' }\n");
    const Result wrong = explain("open", "{}");
    EXPECT_EQ(wrong.exit_status, 78);
    EXPECT_THAT(wrong.err, HasSubstr("belay.toml:4:34: regex \"(\" is no regular expression"));
}

} // namespace
} // namespace belay::cli
