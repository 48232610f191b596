#include "belayd/config/load.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

namespace belay::config {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* minimal = R"(
[hooks.deploy]
auth = { scheme = "github", secret_file = "github.secret" }
run  = ["/bin/true", { payload = "/repository/full_name" }]
)";

/** "LINE:COLUMN: MESSAGE" of each diagnostic. */
std::vector<std::string> errors_in_file(const std::string& text)
{
    std::vector<std::string> errors;
    try {
        (void)parse_config(text, "f.toml");
    } catch (const ConfigError& error) {
        for (const auto& [origin, message, line] : error.diagnostics()) {
            EXPECT_EQ(origin.file, "f.toml");
            errors.push_back(std::to_string(origin.line) + ":" + std::to_string(origin.column) + ": " + message);
        }
    }
    return errors;
}

/** The one error of a text. */
std::string error_in_file(const std::string& text)
{
    const auto errors = errors_in_file(text);
    EXPECT_EQ(errors.size(), 1U) << text << ::testing::PrintToString(errors);
    return errors.empty() ? "" : errors.front();
}

/** The error in a hook that is right but for one line, which is line 4. */
std::string hook_error(const std::string& line)
{
    return error_in_file("[hooks.a]\nauth = \"none\"\nrun = [\"/bin/true\"]\n" + line + "\n");
}

TEST(ParseConfig, GivesEverythingADefault)
{
    ::unsetenv("STATE_DIRECTORY");
    const auto config = parse_config(minimal, "f.toml");
    EXPECT_EQ(config.state_dir, "/var/lib/belay");
    EXPECT_EQ(config.drain_timeout, 30s);
    EXPECT_EQ(config.log_level, log::Level::info);
    EXPECT_FALSE(config.ingress_listen);
    EXPECT_FALSE(config.admin_listen);
    EXPECT_EQ(config.store_url, "sqlite:belay.db");
    ASSERT_EQ(config.hooks.size(), 1U);
    const auto& hook = config.hooks.at("deploy");
    EXPECT_EQ(hook.name, "deploy");
    ASSERT_EQ(hook.auth.secrets.size(), 1U);
    EXPECT_EQ(hook.auth.secrets[0].kind, SecretSource::Kind::file);
    EXPECT_EQ(hook.auth.secrets[0].name, "github.secret");
    ASSERT_EQ(hook.run.size(), 2U);
    EXPECT_EQ(hook.run[0].kind, ValueSource::Kind::literal);
    EXPECT_EQ(hook.run[1].kind, ValueSource::Kind::payload);
    EXPECT_EQ(hook.run[1].text, "/repository/full_name");
    EXPECT_EQ(hook.timeout, 10min);
    EXPECT_EQ(hook.attempts, 1U);
    EXPECT_EQ(hook.directory, "/");
    EXPECT_NO_THROW((void)parse_config("", "f.toml")) << "no hooks yet";
}

TEST(ParseConfig, ReadsEveryKey)
{
    const auto config = parse_config(R"(
[daemon]
state_dir = "/srv/belay"
drain_timeout = "1m"
drain_delay = "5s"
http_threads = 3
[log]
level = "warning"
format = "json"
[ingress]
listen = ["0.0.0.0:80", "[::1]:0", "unix:/run/x.sock", "fd:web", "localhost:8080"]
max_header = "16KiB"
max_fields = 50
max_target = "1KiB"
header_timeout = "1s"
body_timeout = "2s"
body_rate = "1KiB"
write_timeout = "3s"
idle_timeout = "4s"
max_connections = 10
max_connections_per_address = 5
body_memory = "128MiB"
[admin]
listen = []
[store]
url = "sqlite:/srv/q.db"
retention = "1h"
free_space_floor = "1GiB"
[runner]
max_jobs = 7
default_timeout = "5m"
kill_grace = "1s"
output_limit = "10KiB"
pass_environment = ["DEPLOY_ENV"]
[hooks."a.b-c_D9"]
auth = { scheme = "github", secret_env = "A", secret_credential = ["b", "c"], secret_file = "d" }
run = ["/bin/echo", "", "-x", { header = "X-GitHub-Event" }, { query = "ref" }]
env = { PLAIN = "x", BRANCH = { payload = "" } }
directory = "/tmp"
attempts = 5
backoff = "0s"
max_backoff = "1m"
concurrency = 1
path = "release"
max_queued = 100
mismatch_status = 403
wait = "10s"
max_wait = "0s"
rate_limit = { per_hook = "600/90s" }
max_body = "100MiB"
)",
        "f.toml");
    EXPECT_EQ(config.state_dir, "/srv/belay");
    EXPECT_EQ(config.drain_timeout, 1min);
    EXPECT_EQ(config.drain_delay, 5s);
    EXPECT_EQ(config.http_threads, 3U);
    EXPECT_EQ(config.log_level, log::Level::warning);
    EXPECT_EQ(config.log_format, daemon::LogFormat::json);
    EXPECT_THAT(
        *config.ingress_listen, ElementsAre("0.0.0.0:80", "[::1]:0", "unix:/run/x.sock", "fd:web", "localhost:8080"));
    EXPECT_EQ(config.ingress_limits.header_bytes, 16_KiB);
    EXPECT_EQ(config.ingress_limits.fields, 50U);
    EXPECT_EQ(config.ingress_limits.target_bytes, 1_KiB);
    EXPECT_EQ(config.ingress_limits.header_timeout, 1s);
    EXPECT_EQ(config.ingress_limits.body_timeout, 2s);
    EXPECT_EQ(config.ingress_limits.body_rate, 1_KiB);
    EXPECT_EQ(config.ingress_limits.write_timeout, 3s);
    EXPECT_EQ(config.ingress_limits.idle_timeout, 4s);
    EXPECT_EQ(config.ingress_limits.connections, 10U);
    EXPECT_EQ(config.ingress_limits.connections_per_address, 5U);
    EXPECT_EQ(config.body_memory, 128_MiB);
    EXPECT_TRUE(config.admin_listen && config.admin_listen->empty());
    EXPECT_EQ(config.store_url, "sqlite:/srv/q.db");
    EXPECT_EQ(config.retention, 1h);
    EXPECT_EQ(config.free_space_floor, 1024_MiB);
    EXPECT_EQ(config.max_jobs, 7U);
    EXPECT_EQ(config.kill_grace, 1s);
    EXPECT_THAT(config.pass_environment, ElementsAre("DEPLOY_ENV"));
    const auto& hook = config.hooks.at("a.b-c_D9");
    std::string secrets;
    for (const auto& secret : hook.auth.secrets)
        secrets += secret.name;
    EXPECT_EQ(secrets, "dbcA");
    ASSERT_EQ(hook.run.size(), 5U);
    EXPECT_EQ(hook.run[3].kind, ValueSource::Kind::header);
    EXPECT_EQ(hook.run[4].kind, ValueSource::Kind::query);
    EXPECT_EQ(hook.env.at("BRANCH").kind, ValueSource::Kind::payload);
    EXPECT_EQ(hook.directory, "/tmp");
    EXPECT_EQ(hook.timeout, 5min) << "runner.default_timeout";
    EXPECT_EQ(hook.output_limit, 10_KiB) << "runner.output_limit";
    EXPECT_EQ(hook.attempts, 5U);
    EXPECT_EQ(hook.backoff, 0s);
    EXPECT_EQ(hook.max_backoff, 1min);
    EXPECT_EQ(hook.concurrency, 1U);
    EXPECT_EQ(hook.path, "release");
    EXPECT_EQ(hook.max_queued, 100U);
    EXPECT_EQ(hook.mismatch_status, 403);
    EXPECT_EQ(hook.wait, 10s);
    EXPECT_EQ(hook.max_wait, 0s);
    EXPECT_EQ(hook.rate_limit.per_hook, (RateLimit{600, 90s}));
    EXPECT_EQ(hook.rate_limit.per_source, std::nullopt);
    EXPECT_EQ(hook.max_body, 100_MiB);
}

TEST(ParseConfig, TakesTheFirstStateDirectory)
{
    ::setenv("STATE_DIRECTORY", "/var/lib/one:/var/lib/two", 1);
    EXPECT_EQ(parse_config("", "f.toml").state_dir, "/var/lib/one");
    ::setenv("STATE_DIRECTORY", "/var/lib/one", 1);
    EXPECT_EQ(parse_config("", "f.toml").state_dir, "/var/lib/one");
    EXPECT_EQ(parse_config("[daemon]\nstate_dir = '/x'", "f.toml").state_dir, "/x");
    ::unsetenv("STATE_DIRECTORY");
}

TEST(ParseConfig, NotesWhereEachKeyWasWritten)
{
    const auto config = parse_config(minimal, "f.toml");
    ASSERT_EQ(config.origins.size(), 2U);
    const auto& origin = config.origins.at("hooks.deploy.run");
    EXPECT_EQ(origin.file, "f.toml");
    EXPECT_EQ(origin.line, 4U);
    EXPECT_EQ(origin.column, 1U);
    EXPECT_EQ(config.hooks.at("deploy").origin.line, 2U);
    EXPECT_EQ(config.hooks.at("deploy").auth.secrets[0].origin.column, 43U);
    EXPECT_EQ(config.hooks.at("deploy").run[1].origin.column, 22U);
}

TEST(ParseConfig, CollectsEveryErrorInTheOrderOfTheFile)
{
    EXPECT_THAT(
        errors_in_file("[runner]\nmax_jobs = -1\n[hooks.a]\nrun = [\"/bin/true\"]\nattempts = 0\n[log]\nlevel = 1\n"),
        ElementsAre(HasSubstr("2:12: max_jobs must be from 0 to 10000"), HasSubstr("3:8: hook \"a\" has no auth"),
            HasSubstr("5:12: attempts must be from 1 to 1000"),
            HasSubstr("7:9: level must be a string, not an integer")));
}

TEST(ParseConfig, ShowsTheOffendingLine)
{
    try {
        (void)parse_config("[log]\n  level = \"loud\"\n", "f.toml");
        FAIL();
    } catch (const ConfigError& error) {
        EXPECT_STREQ(error.what(),
            "f.toml:2:11: level must be one of \"trace\", \"debug\", \"info\", \"warning\", \"error\"\n"
            "      level = \"loud\"\n"
            "              ^");
    }
}

TEST(ParseConfig, RefusesUnknownKeys)
{
    EXPECT_EQ(error_in_file("[daemon]\ndrain_timeot = \"1s\""),
        "2:1: unknown key \"drain_timeot\" in [daemon], did you mean \"drain_timeout\"?");
    EXPECT_EQ(error_in_file("[hook.a]\nrun = 1"), "1:2: unknown key \"hook\", did you mean \"hooks\"?");
    EXPECT_EQ(error_in_file("max_jobs = 4"), "1:1: unknown key \"max_jobs\": it belongs under [runner]");
    EXPECT_EQ(error_in_file("[store]\nzzzzzzzz = 4"), "2:1: unknown key \"zzzzzzzz\" in [store]");
    EXPECT_EQ(hook_error("retries = 3"), "4:1: unknown key \"retries\" in [hooks.a]");
    EXPECT_EQ(hook_error("time_out = '3s'"), "4:1: unknown key \"time_out\" in [hooks.a], did you mean \"timeout\"?");
}

TEST(ParseConfig, RefusesWrongTypes)
{
    EXPECT_THAT(error_in_file("daemon = 3"), HasSubstr("1:10: daemon must be a table, [daemon], not an integer"));
    EXPECT_THAT(error_in_file("[[daemon]]"), HasSubstr("daemon must be a table, [daemon], not an array"));
    EXPECT_THAT(error_in_file("hooks = []"), HasSubstr("1:9: hooks must be a table"));
    EXPECT_THAT(error_in_file("hooks.a = 1"), HasSubstr("1:11: hooks.a must be a table"));
    EXPECT_THAT(
        error_in_file("[daemon]\ndrain_timeout = 30"), HasSubstr("2:17: drain_timeout must be a duration such as"));
    EXPECT_THAT(
        error_in_file("[runner]\nmax_jobs = \"2\""), HasSubstr("2:12: max_jobs must be an integer, not a string"));
    EXPECT_THAT(error_in_file("[runner]\nmax_jobs = 2.0"), HasSubstr("not a floating-point number"));
    EXPECT_THAT(
        error_in_file("[runner]\noutput_limit = true"), HasSubstr("must be a size such as \"1MiB\", not a boolean"));
    EXPECT_THAT(error_in_file("[store]\nurl = 1979-05-27"), HasSubstr("must be a string, not a date or time"));
    EXPECT_THAT(error_in_file("[store]\nurl = \"sqlite:a\\u0000b\""), HasSubstr("must not contain a NUL"));
}

TEST(ParseConfig, RefusesValuesOutOfRange)
{
    EXPECT_THAT(
        error_in_file("[daemon]\ndrain_timeout = \"2d\""), HasSubstr("2:17: drain_timeout must be from 0s to 1d"));
    EXPECT_THAT(error_in_file("[daemon]\ndrain_timeout = \"30\""), HasSubstr("\"30\" has no unit"));
    EXPECT_THAT(error_in_file("[daemon]\ndrain_delay = \"31s\""),
        HasSubstr("2:1: drain_delay is 31s, longer than drain_timeout, 30s"));
    EXPECT_THAT(error_in_file("[runner]\noutput_limit = \"101MiB\""), HasSubstr("to 100MiB"));
    EXPECT_THAT(error_in_file("[ingress]\nmax_header = \"61KiB\""), HasSubstr("must be from 256B to 60KiB"));
    EXPECT_THAT(error_in_file("[ingress]\nmax_header = \"1MB\""), HasSubstr("unknown unit \"MB\""));
    EXPECT_THAT(error_in_file("[runner]\nmax_jobs = 10001"), HasSubstr("must be from 0 to 10000"));
    EXPECT_THAT(error_in_file("[runner]\nmax_jobs = 9223372036854775807"), HasSubstr("must be from 0 to 10000"));
    EXPECT_THAT(hook_error("wait = \"61m\""), HasSubstr("4:8: wait must be from 0s to 1h"));
    EXPECT_THAT(hook_error("mismatch_status = 500"), HasSubstr("4:19: mismatch_status must be from 200 to 499"));
    EXPECT_THAT(hook_error("max_queued = -1"), HasSubstr("4:14: max_queued must be from 0 to 1000000000"));
    EXPECT_THAT(hook_error("backoff = \"2h\""), HasSubstr("4:11: max_backoff must not be shorter than backoff"));
    EXPECT_THAT(
        hook_error("max_body = \"65MiB\""), HasSubstr("4:12: max_body is 65MiB, more than ingress.body_memory"));
}

TEST(ParseConfig, RefusesWhatIsNoRateLimit)
{
    EXPECT_THAT(hook_error("rate_limit = \"60/1m\""), HasSubstr("4:14: rate_limit must be a table such as"));
    EXPECT_THAT(hook_error("rate_limit = { per_hok = \"60/1m\" }"),
        HasSubstr("4:16: unknown key \"per_hok\" in rate_limit, did you mean \"per_hook\"?"));
    EXPECT_THAT(hook_error("rate_limit = { per_hook = 60 }"), HasSubstr("4:27: per_hook must be a string"));
    for (const char* text : {"60", "/1m", "60/", "60/m", "60/1", "x/1m", "6x/1m", "-6/1m", " 6/1m", "6 /1m", "0/1m",
             "1000001/1m", "6/999ms", "6/25h", "18446744073709551617/1m", ""})
        EXPECT_THAT(hook_error(std::string{"rate_limit = { per_source = \""} + text + "\" }"),
            HasSubstr("is not a rate limit: \"60/1m\" lets 60 requests pass at once"))
            << text;
}

TEST(ParseConfig, RefusesImpossibleTexts)
{
    EXPECT_THAT(
        error_in_file("[daemon]\nstate_dir = \"x\""), HasSubstr("2:13: state_dir \"x\" is not an absolute path"));
    for (const char* url : {"postgres://h/db", "sqlite:", "belay.db", "sqlite:dir/"})
        EXPECT_THAT(error_in_file(std::string{"[store]\nurl = \""} + url + "\""), HasSubstr("is not \"sqlite:PATH\""))
            << url;
    EXPECT_THAT(
        error_in_file("[runner]\npass_environment = [\"A\", \"BELAY_JOB_ID\"]"), HasSubstr("2:26: pass_environment"));
    EXPECT_THAT(hook_error("directory = \"/nowhere\""), HasSubstr("4:13: directory \"/nowhere\" cannot be entered"));
    EXPECT_THAT(error_in_file("[hooks.\"a/b\"]\n"), HasSubstr("1:9: \"a/b\" is not a hook name"));
    EXPECT_THAT(hook_error("path = \"\""), HasSubstr("4:8: path \"\" is not a path, what follows /hooks/: use 1 to"));
    EXPECT_THAT(hook_error("path = \"a/b\""), HasSubstr("path \"a/b\" is not a path, what follows /hooks/: use 1 to"));
    EXPECT_THAT(hook_error("path = \"/hooks/a\""), HasSubstr("leave out the \"/\" and what stands before"));
}

TEST(ParseConfig, RefusesImpossibleListeners)
{
    EXPECT_THAT(error_in_file("[ingress]\nlisten = \"9080\""), HasSubstr("2:10: listen \"9080\" is no address"));
    EXPECT_THAT(
        error_in_file("[ingress]\nlisten = [\"a:1\", \"a:1\"]"), HasSubstr("2:18: listen \"a:1\" is written twice"));
    EXPECT_THAT(error_in_file("[ingress]\nlisten = []"), HasSubstr("2:10: listen is empty"));
    EXPECT_THAT(error_in_file("[ingress]\nlisten = [3]"), HasSubstr("2:11: each value of listen must be a string"));
    EXPECT_THAT(error_in_file("[ingress]\nlisten = 3"), HasSubstr("a string or an array of strings"));
    EXPECT_THAT(error_in_file("[admin]\nlisten = \"127.0.0.1:9080\""), HasSubstr("is what ingress listens on"));
    EXPECT_TRUE(errors_in_file("[ingress]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"").empty());
}

TEST(ParseConfig, RefusesAHookWithoutAuthOrRun)
{
    EXPECT_EQ(error_in_file("[hooks.a]\nrun = [\"/bin/true\"]"),
        "1:8: hook \"a\" has no auth: add auth = { scheme = \"github\", secret_file = \"a.secret\" }, or auth = "
        "\"none\" "
        "to let anybody run it");
    EXPECT_THAT(error_in_file("[hooks.a]\nauth = \"none\""), HasSubstr("1:8: hook \"a\" has no run"));
}

TEST(ParseConfig, RefusesImpossibleAuth)
{
    const auto auth_error = [](const std::string& auth) {
        return error_in_file("[hooks.a]\nrun = [\"/bin/true\"]\nauth = " + auth + "\n");
    };
    EXPECT_THAT(auth_error("\"github\""), HasSubstr("3:8: auth must be \"none\" or a table"));
    EXPECT_THAT(auth_error("false"), HasSubstr("3:8: auth must be"));
    EXPECT_THAT(auth_error("{ secret_file = 'x' }"), HasSubstr("3:8: auth has no scheme"));
    EXPECT_THAT(
        auth_error("{ scheme = 'none', secret_file = 'x' }"), HasSubstr("3:19: scheme must be one of \"github\""));
    EXPECT_THAT(auth_error("{ scheme = 'github' }"), HasSubstr("3:8: auth names no secret"));
    EXPECT_THAT(auth_error("{ scheme = 'github', secret_file = [] }"), HasSubstr("auth names no secret"));
    EXPECT_THAT(
        auth_error("{ scheme = 'github', secret_file = ['a', ''] }"), HasSubstr("3:49: secret_file \"\" is empty"));
    EXPECT_THAT(auth_error("{ scheme = 'github', secret_env = 'A B' }"), HasSubstr("3:42: secret_env \"A B\" is not"));
    EXPECT_THAT(
        auth_error("{ scheme = 'github', secret_credential = '../x' }"), HasSubstr("not the name of a credential"));
    EXPECT_THAT(auth_error("{ scheme = 'github', secret_file = 7 }"), HasSubstr("3:43: secret_file must be a string"));
    EXPECT_THAT(auth_error("{ scheme = 'slack', secret_env = 'A', tolerance = '0s' }"),
        HasSubstr("3:58: tolerance must be from 1s to 1h"));
    EXPECT_THAT(auth_error("{ scheme = 'github', secret_env = 'A', tolerance = '1m' }"),
        HasSubstr("3:47: tolerance means nothing with github, which signs no time"));
}

TEST(ParseConfig, ReadsWhenASecretEnds)
{
    const auto secrets = [](const std::string& text) {
        const Config config = parse_config(
            "[hooks.a]\nrun = [\"/bin/true\"]\nauth = { scheme = 'github', secret_file = " + text + " }\n", "f.toml");
        return config.hooks.at("a").auth.secrets;
    };
    const auto found = secrets("['new', { name = 'old', not_after = 2026-12-31T01:30:15+01:30 }]");
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].name, "new");
    EXPECT_EQ(found[0].not_after, std::nullopt);
    EXPECT_EQ(found[1].name, "old");
    EXPECT_EQ(found[1].not_after, std::chrono::sys_seconds{std::chrono::seconds{1'798'675'215}});
    EXPECT_EQ(secrets("{ name = 'old', not_after = 2026-12-30T22:30:15-01:30 }")[0].not_after, found[1].not_after);
    EXPECT_EQ(secrets("{ name = 'old', not_after = 1970-01-01T00:00:01.9Z }")[0].not_after,
        std::chrono::sys_seconds{std::chrono::seconds{1}});
    const auto fault = [&secrets](const std::string& text) {
        try {
            return std::to_string(secrets(text).size());
        } catch (const ConfigError& error) {
            return error.diagnostics().at(0).message;
        }
    };
    for (const char* text : {"{ not_after = 2026-12-31T00:00:00Z }", "{ name = 'a', until = 1 }",
             "{ name = 'a', not_after = 2026-12-31T00:00:00Z, x = 1 }", "{}"})
        EXPECT_THAT(fault(text), HasSubstr("secret_file must be names, or tables such as")) << text;
    for (const char* text :
        {"{ name = 'a', not_after = 2026-12-31 }", "{ name = 'a', not_after = 2026-12-31T00:00:00 }",
            "{ name = 'a', not_after = 'tomorrow' }", "{ name = 'a', not_after = 9999-12-31T23:59:59-05:00 }",
            "{ name = 'a', not_after = 1969-12-31T23:59:59Z }"})
        EXPECT_EQ(fault(text), "not_after must be a time with its offset, from 1970 to 9999: 2026-12-31T00:00:00Z")
            << text;
    EXPECT_THAT(fault("{ name = 7 }"), HasSubstr("secret_file must be a string"));
}

TEST(ParseConfig, KnowsSendersByNameAndTheirTolerance)
{
    const auto scheme = [](const std::string& keys) {
        const Config config =
            parse_config("[hooks.a]\nrun = [\"/bin/true\"]\nauth = { secret_env = 'A', " + keys + " }\n", "f.toml");
        return config.hooks.at("a").auth.scheme;
    };
    EXPECT_EQ(scheme("scheme = 'svix'"), *find_scheme("svix"));
    EXPECT_EQ(scheme("scheme = 'slack'").time->tolerance, std::chrono::seconds{300});
    EXPECT_EQ(scheme("scheme = 'slack', tolerance = '1m'").time->tolerance, std::chrono::seconds{60});
    EXPECT_EQ(scheme("scheme = 'slack', tolerance = '1500ms'").time->tolerance, std::chrono::seconds{2});
}

TEST(ParseConfig, NeverShowsALineThatMayHoldASecret)
{
    for (const char* auth : {"\"hunter2\"", "{ scheme = 'gitlab', secret = 'hunter2' }",
             "{ scheme = 'github', secret_file = '', token = 'hunter2' }", "['hunter2']",
             "{ scheme = 'github', secret_file = { name = 'a', value = 'hunter2' } }"}) {
        try {
            (void)parse_config(std::string{"[hooks.a]\nrun = ['/bin/true']\nauth = "} + auth, "f.toml");
            FAIL() << auth;
        } catch (const ConfigError& error) {
            EXPECT_THAT(error.what(), ::testing::Not(HasSubstr("hunter2")));
        }
    }
}

TEST(ParseConfig, ShowsNoSecretInASyntaxErrorOrBesideAnother)
{
    for (const char* line : {"token = hunter2", "token = 'hunter2", "password = \"hunter2", "secret = \"\\hunter2\"",
             "auth = { scheme = 'github' secret = 'hunter2' }", "secret 'hunter2'", "secret = 'hunter2' 'more'",
             "token = 'hunter2'", "env = { API_TOKEN = 'hunter2', b = 7 }"}) {
        try {
            (void)parse_config(std::string{"[hooks.a]\nrun = ['/bin/true']\n"} + line + "\n", "f.toml");
            FAIL() << line;
        } catch (const ConfigError& error) {
            EXPECT_THAT(error.what(), HasSubstr("f.toml:"));
            EXPECT_THAT(error.what(), ::testing::Not(HasSubstr("hunter2")));
        }
    }
}

std::string run_error(const std::string& run)
{
    return error_in_file("[hooks.a]\nauth = \"none\"\nrun = " + run + "\n");
}

TEST(ParseConfig, RefusesImpossibleCommands)
{
    EXPECT_THAT(run_error("\"/bin/true\""), HasSubstr("3:7: run must be an array"));
    EXPECT_THAT(run_error("[]"), HasSubstr("3:7: run must be an array"));
    EXPECT_THAT(run_error("['true']"), HasSubstr("3:8: command \"true\" is not an absolute path"));
    EXPECT_THAT(run_error("['/bin/no such']"), HasSubstr("cannot be run: No such file or directory"));
    EXPECT_THAT(run_error("['/bin']"), HasSubstr("is a directory"));
    EXPECT_THAT(run_error("['/dev/null']"), HasSubstr("is not a regular file"));
    EXPECT_THAT(run_error("['/etc/passwd']"), HasSubstr("is not executable for this user: chmod +x /etc/passwd"));
    EXPECT_THAT(run_error("[{ payload = '/x' }]"), HasSubstr("3:8: the command of run must be written here"));
    EXPECT_THAT(run_error("['/bin/true', 3]"), HasSubstr("3:21: an argument of run must be a string or a table"));
    EXPECT_THAT(run_error("['/bin/true', {}]"), HasSubstr("3:21: an argument of run must say one of"));
    EXPECT_THAT(run_error("['/bin/true', { payload = '/a', query = 'b' }]"), HasSubstr("must say one of"));
    EXPECT_THAT(run_error("['/bin/true', { body = '/a' }]"), HasSubstr("must say one of"));
    EXPECT_THAT(
        run_error("['/bin/true', { payload = 'a' }]"), HasSubstr("3:33: an argument of run \"a\" is not a JSON"));
    EXPECT_THAT(run_error("['/bin/true', { header = 'a b' }]"), HasSubstr("\"a b\" is not a header name"));
    EXPECT_THAT(run_error("['/bin/true', { query = '' }]"), HasSubstr("is empty"));
    EXPECT_THAT(run_error("['/bin/true', { request = 'cookies' }]"),
        HasSubstr("3:33: an argument of run \"cookies\" is no part of a request: write one of \"method\", \"path\""));
    EXPECT_THAT(run_error("['/bin/true', '" + std::string(131'072, 'x') + "']"), HasSubstr("is over 131071 bytes"));
}

TEST(ParseConfig, RefusesDangerousVariables)
{
    EXPECT_THAT(hook_error("env = { LD_PRELOAD = { header = 'X' } }"),
        HasSubstr("4:9: env \"LD_PRELOAD\" must not come from a request: LD_* changes"));
    EXPECT_TRUE(errors_in_file("[hooks.a]\nauth = 'none'\nrun = ['/bin/true']\nenv = { PATH = '/bin' }").empty());
    EXPECT_THAT(hook_error("env = { BELAY_JOB_ID = 'x' }"), HasSubstr("is reserved"));
    EXPECT_THAT(hook_error("env = { '1A' = 'x' }"), HasSubstr("4:9: env \"1A\" is not the name of an environment"));
    EXPECT_THAT(hook_error("env = 'x'"), HasSubstr("4:7: env must be a table"));
    EXPECT_THAT(hook_error("env = { A = 1 }"), HasSubstr("4:13: env.A must be a string or a table"));
}

TEST(ParseConfig, ReadsWhatStandsBesideASource)
{
    const auto hook = parse_config("[hooks.a]\nauth = 'none'\n"
                                   "run = ['/bin/true', { payload = '/a', default = '', allow_dash = true }]\n"
                                   "env = { A = { header = 'A', decode = 'base64', overflow_file = 'A_FILE' }, "
                                   "B = { event = 'job' } }\n"
                                   "files = { F = { request = 'body' }, G = { default = 'x', query = 'g' } }\n",
        "f.toml")
                          .hooks.at("a");
    EXPECT_EQ(hook.run.at(1).fallback, "");
    EXPECT_TRUE(hook.run.at(1).allow_dash);
    EXPECT_EQ(hook.run.at(1).decoding, ValueSource::Decoding::none);
    EXPECT_EQ(hook.env.at("A").decoding, ValueSource::Decoding::base64);
    EXPECT_EQ(hook.env.at("A").overflow_file, "A_FILE");
    EXPECT_FALSE(hook.env.at("A").fallback);
    EXPECT_EQ(hook.env.at("B").kind, ValueSource::Kind::event);
    EXPECT_EQ(hook.files.at("F").kind, ValueSource::Kind::request);
    EXPECT_EQ(hook.files.at("G").fallback, "x");
    EXPECT_EQ(hook.files.at("G").text, "g");
}

TEST(ParseConfig, RefusesWhatCannotStandBesideASource)
{
    EXPECT_THAT(run_error("['/bin/true', { payload = '/a', overflow_file = 'A' }]"),
        HasSubstr("3:39: an argument of run: \"overflow_file\" cannot stand beside payload; default, decode and "
                  "allow_dash can"));
    EXPECT_THAT(hook_error("env = { A = { payload = '/a', allow_dash = true } }"),
        HasSubstr("4:31: env.A: \"allow_dash\" cannot stand beside payload; default, decode and overflow_file can"));
    EXPECT_THAT(
        hook_error("files = { A = { payload = '/a', overflow_file = 'B' } }"), HasSubstr("default and decode can"));
    EXPECT_THAT(run_error("['/bin/true', { payload = '/a', default = 1 }]"),
        HasSubstr("3:49: an argument of run: default must be"));
    EXPECT_THAT(run_error("['/bin/true', { payload = '/a', default = \"\\u0000\" }]"),
        HasSubstr("default must not contain a NUL"));
    EXPECT_THAT(run_error("['/bin/true', { payload = '/a', decode = 'hex' }]"), HasSubstr("decode must be \"base64\""));
    EXPECT_THAT(run_error("['/bin/true', { payload = '/a', allow_dash = 'yes' }]"),
        HasSubstr("3:52: an argument of run: allow_dash must be true or false, not a string"));
    EXPECT_THAT(run_error("['/bin/true', { default = 'a' }]"), HasSubstr("must say one of"));
    EXPECT_THAT(run_error("['/bin/true', { event = 'time' }]"),
        HasSubstr(
            "\"time\" is no part of an event: write one of \"id\", \"job\", \"hook\", \"delivery_id\", \"received\""));
    EXPECT_THAT(run_error("['/bin/true', \"a\\u0000b\"]"), HasSubstr("must not contain a NUL"));
}

TEST(ParseConfig, RefusesFilesUnderDangerousOrTakenNames)
{
    EXPECT_THAT(hook_error("files = { BASH_ENV = { request = 'body' } }"),
        HasSubstr("4:11: files \"BASH_ENV\" must not come from a request: BASH_* changes"));
    EXPECT_THAT(hook_error("env = { A = { payload = '/a', overflow_file = 'GIT_CONFIG' } }"),
        HasSubstr("4:47: env.A: overflow_file \"GIT_CONFIG\" must not come from a request"));
    EXPECT_THAT(hook_error("files = { BELAY_FILE = { request = 'body' } }"), HasSubstr("is reserved"));
    EXPECT_THAT(
        hook_error("files = { 'a/../b' = { request = 'body' } }"), HasSubstr("is not the name of an environment"));
    EXPECT_THAT(hook_error("files = { " + std::string(256, 'A') + " = { request = 'body' } }"), HasSubstr("255 bytes"));
    EXPECT_THAT(hook_error("files = 'x'"), HasSubstr("4:9: files must be a table"));
    EXPECT_THAT(hook_error("env = { A = 'x' }\nfiles = { A = { request = 'body' } }"),
        HasSubstr("5:15: variable A is set by env and by files"));
    EXPECT_THAT(hook_error("env = { A = { payload = '/a', overflow_file = 'A' } }"),
        HasSubstr("variable A is set by env and by overflow_file"));
    EXPECT_THAT(
        hook_error("env = { A = { payload = '/a', overflow_file = 'F' } }\nfiles = { F = { request = 'body' } }"),
        HasSubstr("4:13: variable F is set by files and by overflow_file"));
}

TEST(ParseConfig, RefusesToGiveJobsTheVariablesOfTheServiceManager)
{
    for (const std::string name :
        {"NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID", "WATCHDOG_USEC"}) {
        const std::string reserved = "\"" + name + "\" is reserved";
        EXPECT_THAT(error_in_file("[runner]\npass_environment = ['" + name + "']"),
            HasSubstr("2:21: pass_environment " + reserved));
        for (const char* value : {"'x'", "{ payload = '/x' }", "{ header = 'X' }"})
            EXPECT_THAT(hook_error("env = { " + name + " = " + value + " }"), HasSubstr("4:9: env " + reserved));
    }
}

TEST(ParseConfig, StopsListingErrorsAtAHundred)
{
    std::string text;
    for (int i = 0; i < 250; ++i)
        text += "key" + std::to_string(i) + " = 1\n";
    try {
        (void)parse_config(text, "f.toml");
        FAIL();
    } catch (const ConfigError& error) {
        ASSERT_EQ(error.diagnostics().size(), 101U);
        EXPECT_EQ(format(error.diagnostics().back()), "and 150 more");
    }
}

TEST(ParseConfig, RefusesIncludeInAText)
{
    EXPECT_THAT(error_in_file("include = '/etc/*.toml'"), HasSubstr("1:1: include is only followed from a file"));
}

} // namespace
} // namespace belay::config
