#include "tests/cli/fake_daemon.hpp"

#include <fmt/chrono.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <chrono>
#include <ctime>
#include <fstream>

namespace belay::cli {
namespace {

class Check : public testing::Test {
protected:
    std::string write(const std::string& text)
    {
        std::ofstream{directory_.path("belay.toml")} << text;
        return directory_.path("belay.toml");
    }

    void write_secret(const std::string& name, const std::string& text, mode_t mode = 0600)
    {
        std::ofstream{directory_.path(name)} << text;
        ASSERT_EQ(::chmod(directory_.path(name).c_str(), mode), 0);
    }

    TemporaryDirectory directory_;
};

TEST_F(Check, SaysOk)
{
    const std::string file = write("[hooks.a]\nauth = \"none\"\nrun = [\"/bin/true\"]\n");
    for (const Result& result : {run_belay({"check", file}), run_belay({"check", "--config", file})}) {
        EXPECT_EQ(result.exit_status, 0) << result.err;
        EXPECT_EQ(result.out, file + ": ok, 1 hook\n");
    }
    EXPECT_EQ(run_belay({"check", "--json", file}).out,
        "{\"ok\":true,\"file\":\"" + file + "\",\"errors\":[],\"unchecked\":[],\"warnings\":[]}\n");
}

TEST_F(Check, PrintsEveryErrorWithItsPlace)
{
    const std::string file = write("[runner]\nmax_jbos = 3\n[daemon]\ndrain_timeout = \"soon\"\n");
    const Result result = run_belay({"check", file});
    EXPECT_EQ(result.exit_status, 78);
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err.find(file + ":2:1: "), std::string::npos) << result.err;
    EXPECT_NE(result.err.find(file + ":4:"), std::string::npos) << result.err;
    EXPECT_TRUE(result.err.ends_with("2 errors\n")) << result.err;

    const Result for_programs = run_belay({"check", "--json", file});
    EXPECT_EQ(for_programs.exit_status, 78);
    EXPECT_TRUE(for_programs.out.starts_with("{\"ok\":false,")) << for_programs.out;
    EXPECT_NE(for_programs.out.find("\"line\":2,\"column\":1"), std::string::npos) << for_programs.out;
}

TEST_F(Check, TriesTheSecretsOfRules)
{
    write_secret("good", "hunter2");
    const std::string file = write(R"([hooks.a]
auth = "none"
run = ["/bin/true"]
when = { any = [{ signature = { scheme = "github", secret_file = "good" } }, { not = { signature = { scheme = "github", secret_file = "missing" } } }] }
[hooks.b]
auth = "none"
compat = "webhook"
run = ["/bin/true"]
when = { signature = { scheme = "github", secret_file = "missing" } }
[hooks.c]
auth = "none"
run = ["/bin/true"]
when = { signature = { scheme = "github", secret_env = "C" } }
)");
    const Result result = run_belay({"check", file});
    EXPECT_EQ(result.exit_status, 78);
    EXPECT_NE(result.err.find(":4:135: secret file \"missing\" cannot be opened: No such file"), std::string::npos)
        << result.err;
    EXPECT_NE(result.err.find(":9:57: secret file \"missing\" cannot"), std::string::npos) << result.err;
    EXPECT_NE(result.err.find(":13:56: not checked here: secret environment variable \"C\""), std::string::npos)
        << result.err;
}

TEST_F(Check, PrintsWhatIsWrongWithSecretsAmongTheRest)
{
    write_secret("empty", "\n");
    write_secret("long", std::string(4097, 'x'));
    write_secret("open", "hunter2", 0644);
    write_secret("good", "hunter2");
    const std::string file = write(R"([hooks.a]
auth = { scheme = "github", secret_file = ["missing", "good"] }
run = ["/bin/true"]
colour = "red"
[hooks.b]
auth = { scheme = "github", secret_file = ["empty", "long", "open"] }
run = ["relative"]
)");
    const Result result = run_belay({"check", file});
    EXPECT_EQ(result.exit_status, 78);
    std::size_t found = 0;
    for (const char* error : {":2:44: secret file \"missing\" cannot be opened: No such file", ":4:1: unknown key",
             ":6:44: secret file \"empty\" is empty", ":6:53: secret file \"long\" is over 4096 bytes",
             ":6:61: secret file \"open\" is open to every user", ":7:8: command \"relative\"", "6 errors\n"}) {
        found = result.err.find(error, found);
        ASSERT_NE(found, std::string::npos) << error << " is not there, or out of order, in\n" << result.err;
    }
}

TEST_F(Check, SaysWhatOnlyBelaydCanSee)
{
    ::unsetenv("BELAYTEST_NOT_SET");
    const std::string file = write(R"([hooks.a]
auth = { scheme = "github", secret_env = "BELAYTEST_NOT_SET", secret_credential = "github" }
run = ["/bin/true"]
)");
    const Result result = run_belay({"check", file});
    EXPECT_EQ(result.exit_status, 0);
    EXPECT_EQ(result.out, file + ": ok, 1 hook\n");
    EXPECT_EQ(result.err, file + ":2:42: not checked here: secret environment variable \"BELAYTEST_NOT_SET\"\n" + file +
                              ":2:83: not checked here: secret credential \"github\"\n");
    const Result for_programs = run_belay({"check", "--json", file});
    EXPECT_EQ(for_programs.exit_status, 0);
    EXPECT_EQ(for_programs.err, "");
    EXPECT_NE(for_programs.out.find("\"errors\":[],\"unchecked\":[{"), std::string::npos) << for_programs.out;
}

TEST_F(Check, CallsNoFileWrongThatItMayNotRead)
{
    write_secret("hidden", "", 0);
    const std::string file =
        write("[hooks.a]\nauth = { scheme = \"github\", secret_file = \"hidden\" }\nrun = [\"/bin/true\"]\n");
    ASSERT_EQ(::chmod(directory_.path("").c_str(), 0755), 0);
    const auto check = [&file] {
        drop_privileges();
        const Result result = run_belay({"check", file});
        std::cerr << result.out << result.err;
        std::_Exit(result.exit_status);
    };
    EXPECT_EXIT(check(), testing::ExitedWithCode(0),
        "ok, 1 hook\n.*:2:43: not checked here: secret file \"hidden\" cannot be opened: Permission denied");
}

/** "2026-12-31T00:00:00Z" */
std::string in(std::chrono::seconds time)
{
    return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr) + time.count()));
}

TEST_F(Check, WarnsOfAHookWhoseEverySecretHasEnded)
{
    write_secret("s", "hunter2");
    const std::string file = write(R"([hooks.a]
run = ["/bin/true"]
[hooks.a.auth]
scheme = "github"
secret_file = [{ name = "s", not_after = 2020-01-01T00:00:00Z },
               { name = "s", not_after = 2021-02-03T04:05:06Z }]
[hooks.b]
auth = { scheme = "github", secret_file = ["s", { name = "s", not_after = 2022-01-01T00:00:00Z }] }
run = ["/bin/true"]
)");
    const Result result = run_belay({"check", file});
    EXPECT_EQ(result.exit_status, 0) << "belayd starts with it";
    EXPECT_EQ(result.out, file + ": ok, 2 hooks\n");
    EXPECT_EQ(result.err,
        file +
            ":6:16: warning: every secret of hook \"a\" has ended, the last on 2021-02-03T04:05:06Z: all that is "
            "sent to it is refused; add the one that its sender signs with now, or a later not_after\n" +
            file +
            ":8:49: warning: secret file \"s\" of hook \"b\" has ended on 2022-01-01T00:00:00Z: what is signed "
            "with it is refused; remove it\n");
    const Result for_programs = run_belay({"check", "--json", file});
    EXPECT_EQ(for_programs.exit_status, 0);
    EXPECT_EQ(for_programs.err, "");
    EXPECT_NE(for_programs.out.find(R"("warnings":[{"file":")" + file + R"(","line":6,"column":16,"message":"every )"),
        std::string::npos)
        << for_programs.out;
}

TEST_F(Check, WarnsOfASignatureInRulesWhoseEverySecretHasEnded)
{
    write_secret("s", "hunter2");
    const std::string file = write(R"([hooks.a]
auth = "none"
run = ["/bin/true"]
when = { signature = { scheme = "github", secret_file = { name = "s", not_after = 2020-01-01T00:00:00Z } } }
)");
    EXPECT_EQ(
        run_belay({"check", file}).err, file + ":4:57: warning: every secret of a signature in the rules of hook "
                                               "\"a\" has ended, the last on 2020-01-01T00:00:00Z: it is never good; "
                                               "add the one that its sender signs with now, or a later not_after\n");
}

TEST_F(Check, WarnsOfALastSecretThatEndsSoon)
{
    using namespace std::chrono_literals;
    write_secret("s", "hunter2");
    const auto check = [this](std::chrono::seconds left, const std::string& others = "") {
        const std::string file = write("[hooks.a]\nauth = { scheme = \"github\", secret_file = [" + others +
                                       "{ name = \"s\", not_after = " + in(left) + " }] }\nrun = [\"/bin/true\"]\n");
        const Result result = run_belay({"check", file});
        EXPECT_EQ(result.exit_status, 0);
        return result.err;
    };
    constexpr auto day = 24h;
    EXPECT_NE(check(13 * day + 1h).find(":2:44: warning: the last secret of hook \"a\" ends on "), std::string::npos);
    EXPECT_NE(check(13 * day + 1h).find("Z, in 13 days: add the one that follows it\n"), std::string::npos);
    EXPECT_NE(check(1h).find("Z, in 0 days: "), std::string::npos);
    EXPECT_EQ(check(14 * day + 1h), "");
    EXPECT_EQ(check(1h, "\"s\", "), "") << "the other one goes on";
}

TEST_F(Check, ExplainsEffectiveValues)
{
    const std::string file = write("[runner]\nmax_jobs = 3\n");
    const Result result = run_belay({"check", "--effective", file});
    EXPECT_EQ(result.exit_status, 0) << result.err;
    EXPECT_NE(result.out.find("max_jobs = 3"), std::string::npos) << result.out;
    EXPECT_NE(result.out.find("drain_timeout = \"30s\""), std::string::npos) << result.out;
}

TEST_F(Check, Exits78WithoutAFile)
{
    EXPECT_EQ(run_belay({"check", directory_.path("none.toml")}).exit_status, 78);
}

} // namespace
} // namespace belay::cli
