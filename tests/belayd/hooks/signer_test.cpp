#include "belayd/config/load.hpp"
#include "belayd/hooks/signed_time.hpp"
#include "belayd/hooks/signer.hpp"
#include "belayd/hooks/verifier.hpp"
#include "key_pair.hpp"
#include "sample_request.hpp"
#include "tests/fuzz/custom_schemes.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>

namespace belay::hooks {
namespace {

using namespace std::chrono_literals;
using config::Scheme;
using Fields = SampleRequest::Fields;

constexpr std::chrono::sys_seconds base{1'700'000'000s};

/** The same ones each time. */
class Random {
public:
    std::size_t below(std::size_t bound) { return engine_() % bound; }

    std::string bytes(std::size_t size)
    {
        std::string made;
        for (std::size_t i = 0; i < size; ++i)
            made += static_cast<char>(below(256));
        return made;
    }

    std::string word(std::size_t size)
    {
        constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
        std::string made;
        for (std::size_t i = 0; i < size; ++i)
            made += letters[below(letters.size())];
        return made;
    }

private:
    std::mt19937_64 engine_{20'240'101};
};

/** What one end signs, and what the other end makes of it. */
struct Exchange {
    Exchange(const Scheme& scheme, const config::SignatureForm& form, Random& random)
        : time(base + std::chrono::seconds{random.below(1'000'000)}), body(random.bytes(random.below(40)))
    {
        const KeyPair keys = make_key_pair(form, random.bytes(32));
        std::vector<Verifier::Key> verifying;
        verifying.push_back({SenderKey{scheme, make_key_pair(form, random.bytes(32)).to_verify}, {}});
        verifying.push_back({SenderKey{scheme, keys.to_verify}, {}});
        verifier = std::make_unique<const Verifier>(scheme, std::move(verifying));
        const std::string timestamp = scheme.time ? format_signed_time(scheme.time->format, time) : "";
        const std::string id = random.word(1 + random.below(20));
        const Signer signer{scheme, keys.to_sign};
        label = signer.form().label;
        fields = signer.make_fields({.body = body, .timestamp = timestamp, .id = id});
    }

    [[nodiscard]] Verdict verify() const
    {
        const SampleRequest request{body, fields};
        return verifier->verify(request, time);
    }

    std::chrono::sys_seconds time;
    std::string body;
    Fields fields;
    std::string label;
    std::unique_ptr<const Verifier> verifier;
};

/** With each byte of `text`, a part of it, changed in turn. */
void expect_each_byte_counts(const Exchange& exchange, std::string& text)
{
    for (char& byte : text) {
        byte = static_cast<char>(byte ^ 1);
        EXPECT_FALSE(exchange.verify().authentic) << "byte " << &byte - text.data() << " of " << text.size();
        byte = static_cast<char>(byte ^ 1);
    }
}

class EachScheme : public ::testing::TestWithParam<Scheme> {};

/** Those of the table, and what it has no example of. */
std::vector<Scheme> all_schemes()
{
    std::vector<Scheme> schemes(config::known_schemes().begin(), config::known_schemes().end());
    for (const auto& [name, hook] : config::parse_config(fuzz::custom_schemes, "custom.toml").hooks) {
        schemes.push_back(hook.auth.scheme);
        schemes.back().name += "_" + name;
    }
    return schemes;
}

INSTANTIATE_TEST_SUITE_P(
    All, EachScheme, ::testing::ValuesIn(all_schemes()), [](const auto& scheme) { return scheme.param.name; });

TEST_P(EachScheme, AcceptsWhatIsSignedAndNoByteLess)
{
    using Algorithm = config::SignatureForm::Algorithm;
    Random random;
    for (const auto& form : GetParam().forms) {
        const bool signs = form.algorithm != Algorithm::equality;
        const int rounds = form.algorithm == Algorithm::ed25519 ? 5 : 100; // it takes 100 times as long
        for (int round = 0; round < rounds; ++round) {
            Exchange exchange{GetParam(), form, random};
            ASSERT_EQ(exchange.verify().why_not, "");
            EXPECT_EQ(exchange.verify().key, 1U);
            for (auto& [name, value] : exchange.fields)
                expect_each_byte_counts(exchange, value);
            if (signs)
                expect_each_byte_counts(exchange, exchange.body);
            ASSERT_TRUE(exchange.verify().authentic) << "each was changed back";
        }
    }
}

TEST_P(EachScheme, SignsWithTheFormOfItsSecret)
{
    Random random;
    for (const auto& form : GetParam().forms)
        EXPECT_EQ((Signer{GetParam(), make_key_pair(form, random.bytes(32)).to_sign}.form()), form);
}

std::string why_not(const char* scheme, std::string_view secret)
{
    try {
        (void)Signer{*config::find_scheme(scheme), secret};
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return "accepted";
}

TEST(Signer, MatchesVectorsOfTheSenders)
{
    const Signer github{*config::find_scheme("github"), "It's a Secret to Everybody"};
    const Signer::Fields published{
        {"X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}};
    EXPECT_EQ(github.make_fields({.body = "Hello, World!"}), published);
    const Signer stripe{*config::find_scheme("stripe"), "whsec_test"};
    const Signer::Fields expected{
        {"Stripe-Signature", "t=1492774577,v1=7656fc2882a7ca0a651666b36bf2f2f22ee204f54f608f227498a2419f2890b2"}};
    EXPECT_EQ(stripe.make_fields({.body = R"({"id":"evt_1"})", .timestamp = "1492774577"}), expected);
}

TEST(Signer, TakesAPrivateKeyOfRfc8032)
{
    // §7.1, TEST 2
    const std::string seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
    const std::string public_key = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    const std::string signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                                  "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
    const Scheme& discord = *config::find_scheme("discord");
    EXPECT_EQ((Signer{discord, seed}.sign({.body = "\x72"})), signature);
    EXPECT_EQ((Signer{discord, seed + public_key}.sign({.body = "\x72"})), signature) << "as libsodium has it";
}

TEST(Signer, SaysWhyNobodyCanSignWithASecret)
{
    const std::string key(64, 'a');
    EXPECT_EQ(why_not("discord", key), "accepted");
    for (const std::string& secret : {key.substr(1), key.substr(2), key + "aa", "-----BEGIN PRIVATE KEY-----\n" + key})
        EXPECT_EQ(why_not("discord", secret), "is no private key of discord, lower-case hexadecimal digits of 32 bytes")
            << secret;
    EXPECT_EQ(why_not("discord", key + key), "is no private key: its second half is not the public key of the first");
    EXPECT_EQ(why_not("svix", "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="),
        "is a public key, which only verifies: sign with the private one, \"whsk_\" and base64 digits of 32 bytes");
    EXPECT_EQ(why_not("svix", "whsk_AAAA"), "is no private key of svix, \"whsk_\" and base64 digits of 32 bytes");
    EXPECT_EQ(
        why_not("svix", "whsec_AA=="), "is not what svix gives out, \"whsec_\" and base64 digits of 24 to 75 bytes");
    EXPECT_EQ(why_not("gitlab_signing", "hush"), "is no secret of gitlab_signing: it begins otherwise");
    EXPECT_EQ(
        why_not("bearer", "a\nb"), "cannot be sent in a header: it has control characters, or blanks at its ends");
}

} // namespace
} // namespace belay::hooks
