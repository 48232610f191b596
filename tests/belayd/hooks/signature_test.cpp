#include "belayd/hooks/signature.hpp"

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

constexpr std::string_view secret = "It's a Secret to Everybody";
constexpr std::string_view body = "Hello, World!";
constexpr std::string_view published = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

bool verify(std::vector<std::string> secrets, std::string_view header, std::string_view signed_body = body)
{
    return verify_github_signature(std::span<const std::string>{secrets}, header, signed_body);
}

TEST(GithubSignature, MatchesThePublishedVector)
{
    EXPECT_EQ(github_signature(secret, body), published);
    EXPECT_TRUE(verify({std::string{secret}}, published));
}

TEST(GithubSignature, CoversEmptyAndBinaryBodies)
{
    EXPECT_EQ(github_signature("key", ""), "sha256=5d5d139563c95b5967b9bd9a8c9b233a9dedb45072794cd232dc1b74832607d0");
    const std::string binary{"\0\xff\r\n", 4};
    EXPECT_TRUE(verify({"k"}, github_signature("k", binary), binary));
    EXPECT_FALSE(verify({"k"}, github_signature("k", binary), std::string{"\0\xff\r", 3}));
}

TEST(VerifyGithubSignature, RefusesWhatIsNotExactlyASignature)
{
    std::string upper{published};
    for (char& c : upper)
        c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    const std::string hex_upper = "sha256=" + upper.substr(7);
    const std::string digits{published.substr(7)};
    for (const std::string& header : {std::string{}, std::string{"sha256="}, std::string{"sha256"}, digits,
             "sha1=" + digits, "sha512=" + digits, "SHA256=" + digits, hex_upper, upper,
             std::string{published.substr(0, published.size() - 1)}, std::string{published} + "0",
             std::string{published} + " ", " " + std::string{published}, std::string(published.size(), '\0'),
             std::string(published.size(), 'g'), std::string{published} + "," + std::string{published}})
        EXPECT_FALSE(verify({std::string{secret}}, header)) << header;
}

TEST(VerifyGithubSignature, RefusesEveryFlippedCharacter)
{
    for (std::size_t i = 0; i < published.size(); ++i) {
        std::string header{published};
        header[i] = static_cast<char>(header[i] ^ 1);
        EXPECT_FALSE(verify({std::string{secret}}, header)) << header;
    }
}

TEST(VerifyGithubSignature, AcceptsAnyOfSeveralSecrets)
{
    const std::string mine{secret};
    EXPECT_TRUE(verify({mine, "next"}, published));
    EXPECT_TRUE(verify({"previous", mine}, published));
    EXPECT_TRUE(verify({mine, mine}, published));
    EXPECT_FALSE(verify({"previous", "next"}, published));
    EXPECT_FALSE(verify({}, published));
}

TEST(SigningKey, SignsManyBodiesWithOneKey)
{
    const SigningKey key{secret};
    const auto first = key.digest("a");
    EXPECT_NE(first, key.digest("b"));
    EXPECT_EQ(first, key.digest("a"));
    EXPECT_EQ(key.digest(body), SigningKey{secret}.digest(body));
}

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
