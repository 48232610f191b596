#include "belayd/hooks/secret.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace belay::hooks {
namespace {

using config::SecretSource;
using ::testing::HasSubstr;

class LoadSecret : public ::testing::Test {
protected:
    void SetUp() override
    {
        std::string pattern = (std::filesystem::temp_directory_path() / "belay-secret-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    void write(const std::string& name, std::string_view text, mode_t mode = 0600) const
    {
        std::ofstream{directory_ / name} << text;
        ASSERT_EQ(::chmod((directory_ / name).c_str(), mode), 0);
    }

    [[nodiscard]] std::string load(const std::string& name) const
    {
        return load_secret({SecretSource::Kind::file, name, {}}, directory_.string());
    }

    [[nodiscard]] std::string why_not(const SecretSource& source) const
    {
        try {
            (void)load_secret(source, directory_.string());
        } catch (const std::runtime_error& error) {
            return error.what();
        }
        return "loaded";
    }

    std::filesystem::path directory_;
};

TEST_F(LoadSecret, CutsOneNewline)
{
    write("one", "abc\n");
    write("two", "abc\n\n");
    write("none", " abc ", 0640);
    EXPECT_EQ(load("one"), "abc");
    EXPECT_EQ(load("two"), "abc\n");
    EXPECT_EQ(load("none"), " abc ");
}

TEST_F(LoadSecret, TakesAnAbsolutePathAsItIs)
{
    write("one", "abc");
    EXPECT_EQ(load_secret({SecretSource::Kind::file, (directory_ / "one").string(), {}}, "/nowhere"), "abc");
}

TEST_F(LoadSecret, RefusesWithTheReasonAndWithoutTheSecret)
{
    write("open", "hunter2", 0644);
    write("empty", "");
    write("newline", "\n");
    write("long", std::string(4097, 'x'));
    std::filesystem::create_directory(directory_ / "folder");
    const auto file = [this](const std::string& name) { return why_not({SecretSource::Kind::file, name, {}}); };
    EXPECT_THAT(file("open"), HasSubstr("secret file \"open\" is open to every user of this host: chmod o= /"));
    EXPECT_THAT(file("open"), ::testing::Not(HasSubstr("hunter2")));
    EXPECT_THAT(file("empty"), HasSubstr("is empty"));
    EXPECT_THAT(file("newline"), HasSubstr("is empty"));
    EXPECT_THAT(file("long"), HasSubstr("is over 4096 bytes"));
    EXPECT_THAT(file("folder"), HasSubstr("is not a regular file"));
    EXPECT_THAT(file("missing"), HasSubstr("cannot be opened: No such file or directory"));
}

TEST_F(LoadSecret, AllowsTheLongestSecretWithItsNewline)
{
    write("longest", std::string(4096, 'x') + "\n");
    EXPECT_EQ(load("longest").size(), 4096U);
}

TEST_F(LoadSecret, ReadsACredentialAndTheEnvironment)
{
    write("github", "from systemd\n", 0400);
    const SecretSource credential{SecretSource::Kind::credential, "github", {}};
    ::unsetenv("CREDENTIALS_DIRECTORY");
    EXPECT_THAT(why_not(credential), HasSubstr("LoadCredential="));
    ::setenv("CREDENTIALS_DIRECTORY", directory_.c_str(), 1);
    EXPECT_EQ(load_secret(credential, "/nowhere"), "from systemd");
    ::unsetenv("CREDENTIALS_DIRECTORY");

    const SecretSource variable{SecretSource::Kind::environment, "BELAY_TEST_SECRET", {}};
    ::unsetenv("BELAY_TEST_SECRET");
    EXPECT_THAT(why_not(variable), HasSubstr("secret environment variable \"BELAY_TEST_SECRET\" is not set"));
    ::setenv("BELAY_TEST_SECRET", "from the environment", 1);
    EXPECT_EQ(load_secret(variable, "/nowhere"), "from the environment");
    ::unsetenv("BELAY_TEST_SECRET");
}

} // namespace
} // namespace belay::hooks
