#include "belayd/hooks/encoding.hpp"
#include "belayd/hooks/password_cache.hpp"
#include "belayd/hooks/passwords.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <crypt.h>

#include <memory>
#include <stdexcept>

namespace belay::hooks {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

std::string hash(const std::string& password, const char* prefix, unsigned long cost)
{
    const std::string setting = ::crypt_gensalt(prefix, cost, nullptr, 0);
    const auto data = std::make_unique<crypt_data>();
    return ::crypt_r(password.c_str(), setting.c_str(), data.get());
}

std::string fault_in_passwords(const std::string& text)
{
    try {
        const PasswordFile file{text};
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return {};
}

std::optional<Credentials> credentials(const std::string& text)
{
    return parse_credentials("Basic " + to_base64(bytes_of(text)));
}

TEST(PasswordFile, AcceptsItsUsers)
{
    const PasswordFile file{
        "# users\nann:" + hash("a:ä", "$y$", 1) + "\n\nbob:" + hash("b", "$2b$", 4) + "\ncy:" + hash("c", "$6$", 1000)};
    EXPECT_TRUE(file.accepts({"ann", "a:ä"}));
    EXPECT_TRUE(file.accepts({"bob", "b"}));
    EXPECT_TRUE(file.accepts({"cy", "c"}));
    for (const char* password : {"", "a", "a:ä ", "b", "c"})
        EXPECT_FALSE(file.accepts({"ann", password})) << password;
    for (const char* user : {"", "Ann", "ann ", "dora", "ann:"})
        for (const char* password : {"a:ä", "b", "c"})
            EXPECT_FALSE(file.accepts({user, password})) << user << " with what another has: " << password;
}

TEST(PasswordFile, HasWholeHashesThatAreNotWeak)
{
    EXPECT_THAT(fault_in_passwords(""), HasSubstr("has no user"));
    EXPECT_THAT(fault_in_passwords("# nobody\n"), HasSubstr("has no user"));
    EXPECT_THAT(fault_in_passwords("ann\n"), HasSubstr("line 1 is not USER:HASH"));
    EXPECT_THAT(fault_in_passwords(":x\n"), HasSubstr("line 1 is not USER:HASH"));
    const std::string good = "ann:" + hash("a", "$y$", 1) + "\n";
    EXPECT_EQ(fault_in_passwords(good), "");
    EXPECT_THAT(fault_in_passwords(good + good), HasSubstr("line 2 has a user for the second time"));
    EXPECT_THAT(fault_in_passwords(good + "bob:secret"), HasSubstr("line 2 has no hash of yescrypt"));
    EXPECT_THAT(fault_in_passwords(good + "bob:secret"), HasSubstr("mkpasswd -m yescrypt"));
    EXPECT_THAT(fault_in_passwords("ann:$1$abcdefgh$irWbblnpmw.5z7wgBnprh0"), HasSubstr("has no hash of yescrypt"));
    EXPECT_THAT(fault_in_passwords("ann:rl.3StKT.4T8M"), HasSubstr("has no hash of yescrypt")) << "DES";
    EXPECT_THAT(fault_in_passwords("ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="), HasSubstr("has no hash of yescrypt"));
    const std::string whole = hash("a", "$2b$", 4);
    EXPECT_THAT(fault_in_passwords("ann:" + whole.substr(1)), HasSubstr("has no hash"));
    EXPECT_THAT(fault_in_passwords("ann:" + whole.substr(0, 59)), HasSubstr("has no whole hash"));
    EXPECT_THAT(fault_in_passwords("ann:" + whole + " "), HasSubstr("has no whole hash"));
}

TEST(PasswordFile, HasNoHashThatTakesLong)
{
    const auto with_cost = [](const char* prefix, std::size_t at, std::string_view cost) {
        std::string made = hash("a", prefix, 0);
        made.replace(at, cost.size(), cost);
        return fault_in_passwords("ann:" + made);
    };
    const auto long_one = HasSubstr("line 1 has a hash that may take more than half a second");
    EXPECT_EQ(with_cost("$2b$", 4, "13"), "");
    EXPECT_THAT(with_cost("$2b$", 4, "14"), long_one);
    EXPECT_THAT(with_cost("$2y$", 4, "31"), long_one);
    EXPECT_EQ(with_cost("$y$", 4, "C"), "");
    EXPECT_THAT(with_cost("$y$", 4, "D"), long_one);
    EXPECT_EQ(with_cost("$7$", 3, "D"), "");
    EXPECT_THAT(with_cost("$7$", 3, "E"), long_one);
    EXPECT_THAT(with_cost("$7$", 3, "CV..../...."), long_one) << "larger blocks";
    EXPECT_THAT(with_cost("$7$", 3, "CU....E...."), long_one) << "parallelism";
    EXPECT_THAT(with_cost("$y$", 3, "jCU$"), long_one) << "larger blocks";
    EXPECT_THAT(with_cost("$y$", 3, "j9T/D$"), long_one) << "a time";
    EXPECT_EQ(with_cost("$6$", 3, "rounds=1000$"), "");
    EXPECT_EQ(with_cost("$6$", 3, "rounds=500000$"), "");
    for (const char* rounds : {"500001", "999999999", "99999999999999999999", "0001000", "999", "x", "", "-1000"})
        EXPECT_NE(with_cost("$6$", 3, std::string{"rounds="} + rounds + "$"), "") << rounds;
    EXPECT_EQ(fault_in_passwords("ann:" + hash("a", "$6$", 0)), "") << "whatever its salt begins with";
}

TEST(Credentials, AreThoseOfRfc7617)
{
    EXPECT_EQ(parse_credentials("basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")->user, "Aladdin");
    EXPECT_EQ(parse_credentials("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")->password, "open sesame");
    EXPECT_EQ(credentials("a:b:c")->password, "b:c");
    EXPECT_EQ(credentials(":")->user, "");
    EXPECT_TRUE(credentials("a:" + std::string(128, 'x')));
    EXPECT_FALSE(credentials("a:" + std::string(129, 'x'))) << "takes long to hash";
    for (const char* text : {"", "ann", "a\nb:c", "a:b\x7f", "a:\tb"})
        EXPECT_FALSE(credentials(text)) << text;
    for (const char* field :
        {"", "Basic", "Basic ", "Bearer QTpi", "Basic QTpi=", "Basic QTp", "Basic QTpi QTpi", "BasicQTpi"})
        EXPECT_FALSE(parse_credentials(field)) << field;
}

TEST(PasswordCache, KnowsWhatWasRightForAWhile)
{
    const PasswordCache::Clock::time_point start{1000h};
    PasswordCache cache;
    EXPECT_EQ(cache.find({"ann", "a"}, start), std::nullopt);
    cache.add({"ann", "a"}, {2}, start);
    EXPECT_EQ(cache.find({"ann", "a"}, start + 299s), PasswordCache::Known{2});
    cache.add({"cy", "c"}, {}, start);
    EXPECT_EQ(cache.find({"cy", "c"}, start), PasswordCache::Known{}) << "who is wrong";
    EXPECT_EQ(cache.find({"ann", "a"}, start + 300s), std::nullopt);
    EXPECT_EQ(cache.find({"ann", "b"}, start), std::nullopt);
    EXPECT_EQ(cache.find({"bob", "a"}, start), std::nullopt);
    EXPECT_EQ(cache.find({"an", "na"}, start), std::nullopt);
    for (int i = 0; i < 1000; ++i)
        cache.add({"user" + std::to_string(i), "x"}, {0}, start);
    EXPECT_EQ(cache.find({"user999", "x"}, start), PasswordCache::Known{0});
}

} // namespace
} // namespace belay::hooks
