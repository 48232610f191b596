#include "tests/cli/fake_daemon.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace belay::cli {
namespace {

using testing::HasSubstr;

class Import : public testing::Test {
protected:
    std::string write(const std::string& name, const std::string& text)
    {
        std::ofstream{directory_.path(name)} << text;
        return directory_.path(name);
    }

    std::string read(const std::string& name)
    {
        std::ifstream in{directory_.path(name)};
        return {std::istreambuf_iterator<char>{in}, {}};
    }

    mode_t mode_of(const std::string& name)
    {
        struct stat status{};
        return ::stat(directory_.path(name).c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
    }

    TemporaryDirectory directory_;
};

constexpr const char* signed_hook = "- id: deploy\n  execute-command: /bin/true\n  trigger-rule:\n    match: {type: "
                                    "payload-hmac-sha256, secret: s3cr3t, "
                                    "parameter: {source: header, name: X-Hub-Signature-256}}\n";

TEST_F(Import, WritesConfigurationAndSecretsBesideIt)
{
    const std::string file = write("hooks.yaml", signed_hook);
    const Result result = run_belay({"import", file, "-o", directory_.path("belay.toml")});
    EXPECT_EQ(result.exit_status, 0) << result.err;
    EXPECT_EQ(result.out + result.err, "");
    EXPECT_THAT(read("belay.toml"), HasSubstr("# " + file +
                                              ":1\n[hooks.deploy]\nauth = { scheme = \"github\", "
                                              "secret_file = \"deploy.secret\" }\nrun = [\"/bin/true\"]\n"));
    EXPECT_EQ(read("deploy.secret"), "s3cr3t\n");
    EXPECT_EQ(mode_of("deploy.secret"), 0600U);
    EXPECT_EQ(mode_of("belay.toml"), 0600U);
    EXPECT_EQ(run_belay({"check", directory_.path("belay.toml")}).exit_status, 0);
}

TEST_F(Import, ReplacesNothingUnasked)
{
    const std::string file = write("hooks.yaml", signed_hook);
    write("deploy.secret", "another one's");
    const Result result = run_belay({"import", file, "-o", directory_.path("belay.toml")});
    EXPECT_EQ(result.exit_status, 73);
    EXPECT_THAT(result.err, HasSubstr("deploy.secret exists; --force replaces it"));
    EXPECT_EQ(read("deploy.secret"), "another one's");
    EXPECT_EQ(mode_of("belay.toml"), 0U);

    EXPECT_EQ(run_belay({"import", file, "-o", directory_.path("belay.toml"), "--force"}).exit_status, 0);
    EXPECT_EQ(read("deploy.secret"), "s3cr3t\n");
    EXPECT_EQ(mode_of("deploy.secret"), 0600U);
}

TEST_F(Import, PrintsAndWritesNothingWithoutOutput)
{
    const Result result = run_belay({"import", write("hooks.yaml", signed_hook)});
    EXPECT_EQ(result.exit_status, 0);
    EXPECT_THAT(result.out, HasSubstr("[hooks.deploy]\n"));
    EXPECT_EQ(result.err, "1 secret not written: -o or --secrets-dir says where\n");
    EXPECT_EQ(mode_of("deploy.secret"), 0U);
}

TEST_F(Import, PutsSecretsWhereItIsTold)
{
    ASSERT_EQ(::mkdir(directory_.path("secrets").c_str(), 0700), 0);
    const Result result = run_belay({"import", write("hooks.yaml", signed_hook), "-o", directory_.path("belay.toml"),
        "--secrets-dir", directory_.path("secrets")});
    EXPECT_EQ(result.exit_status, 0) << result.err;
    EXPECT_EQ(read("secrets/deploy.secret"), "s3cr3t\n");
    EXPECT_THAT(read("belay.toml"), HasSubstr("secret_file = \"" + directory_.path("secrets/deploy.secret") + "\""));
}

TEST_F(Import, TellsEachChangeWithItsLineAndByItsExitStatus)
{
    const std::string warned = write("warned.yaml", "- id: a\n  colour: red\n  execute-command: /bin/true\n");
    const Result warning = run_belay({"import", warned});
    EXPECT_EQ(warning.exit_status, 3);
    EXPECT_EQ(warning.err, warned + ":1: auth is \"none\": any sender whose request matches runs this hook\n" + warned +
                               ":2: webhook knows no \"colour\" here, and ignores it\n");

    const std::string lost =
        write("lost.yaml", "- id: b\n  execute-command: /bin/true\n  response-headers: [{name: A}]\n");
    const Result loss = run_belay({"import", warned, lost, "--json"});
    EXPECT_EQ(loss.exit_status, 4);
    EXPECT_EQ(loss.err, "");
    EXPECT_THAT(loss.out, HasSubstr("{\"file\":\"" + lost +
                                    "\",\"line\":1,\"text\":\"response-headers: a hook has none\","
                                    "\"mapped\":false}"));
    EXPECT_THAT(loss.out, HasSubstr("{\"toml\":\"# Written by belay import"));
}

TEST_F(Import, SaysWhatCannotBeRead)
{
    const Result missing = run_belay({"import", directory_.path("missing.json")});
    EXPECT_EQ(missing.exit_status, 66);
    EXPECT_THAT(missing.err, HasSubstr("missing.json: No such file"));
    const std::string file = write("hooks.json", "[\n{\"id\": [}]");
    const Result broken = run_belay({"import", file});
    EXPECT_EQ(broken.exit_status, 66);
    EXPECT_THAT(broken.err, HasSubstr("belay: " + file + ":2: webhook would not load this: "));
    const Result templated = run_belay({"import", write("hooks.yaml", "- {id: a, secret: \"{{ getenv \"X\" }}\"}")});
    EXPECT_EQ(templated.exit_status, 66);
    EXPECT_THAT(templated.err, HasSubstr("a template, for webhook's -template?"));
    EXPECT_EQ(run_belay({"import", directory_.path("")}).exit_status, 66);
    for (const std::vector<std::string>& endless :
        {std::vector<std::string>{"import", "/dev/zero"}, {"import", "--template", "/dev/zero"}}) {
        const Result result = run_belay(endless);
        EXPECT_EQ(result.exit_status, 66);
        EXPECT_EQ(result.err, "belay: /dev/zero: the file is over 1 MiB\n");
    }
    EXPECT_EQ(run_belay({"import"}).exit_status, 64);
    EXPECT_EQ(run_belay({"import", "--compat", "lax", file}).exit_status, 64);
}

constexpr const char* template_hook =
    "- id: deploy\n  execute-command: /bin/true\n  trigger-rule:\n    match: {type: payload-hmac-sha256, secret: \"{{ "
    "getenv \"BELAY_TEST_SECRET\" | js }}\", parameter: {source: header, name: X-Hub-Signature-256}}\n";

TEST_F(Import, ExpandsTemplates)
{
    ::setenv("BELAY_TEST_SECRET", "s3cr\"3t", 1);
    const std::string file = write("hooks.yaml", template_hook);
    const Result plain = run_belay({"import", file});
    EXPECT_EQ(plain.exit_status, 66);
    EXPECT_THAT(plain.err, HasSubstr("(a template, for webhook's -template? Then --template)"));
    const Result result = run_belay({"import", "--template", file, "-o", directory_.path("belay.toml")});
    EXPECT_EQ(result.exit_status, 0) << result.err;
    EXPECT_EQ(read("deploy.secret"), "s3cr\"3t\n");
    EXPECT_EQ(run_belay({"check", directory_.path("belay.toml")}).exit_status, 0);
    ::unsetenv("BELAY_TEST_SECRET");
    const Result unset = run_belay({"import", "--template", file});
    EXPECT_EQ(unset.exit_status, 4);
    EXPECT_THAT(unset.err, HasSubstr(":4: not mapped: the variable BELAY_TEST_SECRET is not set here"));
}

} // namespace
} // namespace belay::cli
