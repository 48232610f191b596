#include "belayd/config/load.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::config {
namespace {

using ::testing::HasSubstr;

Config parse_custom(const std::string& keys)
{
    return parse_config(
        fmt::format("[hooks.a]\nrun = [\"/bin/true\"]\nauth = {{ scheme = 'custom', secret_env = 'A', {} }}\n", keys),
        "f.toml");
}

Scheme scheme_of(const std::string& keys)
{
    return parse_custom(keys).hooks.at("a").auth.scheme;
}

std::string error_of_custom(const std::string& keys)
{
    try {
        (void)parse_custom(keys);
    } catch (const ConfigError& error) {
        EXPECT_EQ(error.diagnostics().size(), 1U) << error.what();
        return error.diagnostics().at(0).message;
    }
    return "loaded";
}

TEST(CustomScheme, DescribesWhatTheTableOfSendersHas)
{
    Scheme stripe = *find_scheme("stripe");
    stripe.name = "custom";
    EXPECT_EQ(scheme_of("header = 'Stripe-Signature', layout = 'pairs', label = 'v1', message = '{timestamp}.{body}', "
                        "timestamp_label = 't', delivery_pointer = '/id'"),
        stripe);
    Scheme discord = *find_scheme("discord");
    discord.name = "custom";
    discord.challenge = Scheme::Challenge::none;
    EXPECT_EQ(scheme_of("header = 'X-Signature-Ed25519', algorithm = 'ed25519', secret_encoding = 'hex', message = "
                        "'{timestamp}{body}', timestamp_header = 'X-Signature-Timestamp'"),
        discord);
    Scheme bearer = *find_scheme("bearer");
    bearer.name = "custom";
    EXPECT_EQ(scheme_of("header = 'Authorization', layout = 'credentials', label = 'Bearer', algorithm = 'token', "
                        "encoding = 'plain'"),
        bearer);
}

TEST(CustomScheme, IsWrittenAsItWasRead)
{
    const auto first =
        parse_custom("header = 'X-A', label = 'a\"=', algorithm = 'hmac_sha512', encoding = 'base64', "
                     "secret_prefix = 'p_', secret_encoding = 'base64', message = '{id}|{timestamp}|{body}', "
                     "timestamp_header = 'Date', timestamp_format = 'date', tolerance = '7s', id_header = 'X-Id', "
                     "delivery_header = 'X-Id'");
    const auto second = parse_config(effective_config(first), "g.toml");
    EXPECT_EQ(first.hooks.at("a").auth.scheme, second.hooks.at("a").auth.scheme);
}

TEST(CustomScheme, HasEncodingsAndTimesThatNoNamedSenderHas)
{
    const std::string keys = "header = 'X-A', encoding = 'base64url', secret_encoding = 'base64url', message = "
                             "'{timestamp}.{body}', timestamp_header = 'X-T', timestamp_format = 'unix_milliseconds'";
    const Scheme scheme = scheme_of(keys);
    EXPECT_EQ(scheme.forms.front().encoding, SignatureForm::Encoding::base64url);
    EXPECT_EQ(scheme.forms.front().secret_encoding, SignatureForm::Encoding::base64url);
    EXPECT_EQ(scheme.time->format, SignedTime::Format::unix_milliseconds);
    EXPECT_EQ(parse_config(effective_config(parse_custom(keys)), "g.toml").hooks.at("a").auth.scheme, scheme);
}

TEST(CustomScheme, IsRefusedWithTheRemedyWhereItProvesNothing)
{
    EXPECT_THAT(error_of_custom("label = 'a'"), HasSubstr("needs header = "));
    EXPECT_THAT(error_of_custom("header = 'X A'"), HasSubstr("header \"X A\" is not"));
    EXPECT_THAT(error_of_custom("header = 'A', algorithm = 'md5'"),
        HasSubstr("algorithm must be one of \"token\", \"hmac_sha1\""));
    EXPECT_THAT(error_of_custom("header = 'A', message = 'x'"), HasSubstr("has no {body}: anybody could change it"));
    EXPECT_THAT(error_of_custom("header = 'A', message = '{body}{date}'"), HasSubstr("brace that is not of {body}"));
    EXPECT_THAT(error_of_custom("header = 'A', message = '{body'"), HasSubstr("brace"));
    EXPECT_THAT(error_of_custom("header = 'A', message = '{bo{body}dy}'"), HasSubstr("brace"));
    EXPECT_THAT(error_of_custom("header = 'A', message = '{id}{body}', id_header = 'B'"),
        HasSubstr("nothing between {id} and"));
    EXPECT_THAT(error_of_custom("header = 'A', message = '{body}{id}', id_header = 'B'"),
        HasSubstr("nothing between {id} and"));
    EXPECT_THAT(error_of_custom("header = 'A', message = '{timestamp}{body}'"), HasSubstr("say timestamp_header or"));
    EXPECT_THAT(error_of_custom("header = 'A', timestamp_header = 'B'"), HasSubstr("the timestamp is not signed"));
    EXPECT_THAT(
        error_of_custom("header = 'A', layout = 'pairs', message = '{timestamp}{body}', timestamp_header = 'B', "
                        "label = 'v1', timestamp_label = 't'"),
        HasSubstr("exclude each other"));
    EXPECT_THAT(error_of_custom("header = 'A', message = '{timestamp}{body}', timestamp_label = 't'"),
        HasSubstr("layout = \"pairs\""));
    EXPECT_THAT(error_of_custom("header = 'A', id_header = 'B'"), HasSubstr("need each other"));
    EXPECT_THAT(error_of_custom("header = 'A', message = '{id}.{body}'"), HasSubstr("need each other"));
    EXPECT_THAT(error_of_custom("header = 'A', timestamp_format = 'date'"),
        HasSubstr("timestamp_format means nothing without"));
    EXPECT_THAT(
        error_of_custom("header = 'A', label = ' a'"), HasSubstr("label \" a\" is not what a header can begin with"));
    EXPECT_THAT(error_of_custom("header = 'A', label = \"a\\n\""), HasSubstr("is not what a header can begin with"));
    for (const char* layout :
        {"layout = 'pairs'", "layout = 'list'", "layout = 'credentials'", "layout = 'pairs', label = 'v1='",
            "layout = 'list', label = 'v1,'", "layout = 'credentials', label = 'a b'"})
        EXPECT_THAT(error_of_custom(std::string{"header = 'A', "} + layout), HasSubstr("is the name of the signature"))
            << layout;
    EXPECT_THAT(
        error_of_custom(
            "header = 'A', layout = 'pairs', label = 't', message = '{timestamp}{body}', timestamp_label = 't'"),
        HasSubstr("is no name, or that of the signature"));
    EXPECT_THAT(error_of_custom("header = 'A', algorithm = 'token', encoding = 'plain', secret_encoding = 'hex'"),
        HasSubstr("a token is sent as it is"));
    EXPECT_THAT(error_of_custom("header = 'A', labell = 'x'"),
        HasSubstr("unknown key \"labell\" in auth, did you mean \"label\"? (a secret is not written here"));
    EXPECT_THAT(error_of_custom("header = 'A', secret_key = 'x'"),
        HasSubstr("unknown key \"secret_key\" in auth (a secret is not written here"));
    EXPECT_THAT(
        error_of_custom("header = 'A', timestamp_header = 'B', message = '{timestamp}.{boddy}'"), HasSubstr("brace"));
    EXPECT_THAT(error_of_custom("header = 'A', timestamp_header = 'a', message = '{timestamp}.{body}'"),
        HasSubstr("a has the signature: it cannot sign itself"));
    EXPECT_THAT(error_of_custom("header = 'A', algorithm = 'token', encoding = 'plain', layout = 'list', label = 'v1'"),
        HasSubstr("in no list"));
    EXPECT_THAT(error_of_custom("header = 'A', algorithm = 'token'"), HasSubstr("a token is sent as it is"));
    EXPECT_THAT(error_of_custom("header = 'A', encoding = 'plain'"), HasSubstr("a signature is not sent as it is"));
    EXPECT_THAT(
        error_of_custom("header = 'A', algorithm = 'ed25519'"), HasSubstr("a public key is not written as it is"));
    EXPECT_THAT(error_of_custom("header = 'A', delivery_pointer = 'id'"), HasSubstr("delivery_pointer \"id\" is not"));
    EXPECT_THAT(error_of_custom("header = 'A', sekret = 'hunter2'"), HasSubstr("unknown key \"sekret\""));
}

TEST(CustomScheme, KeysMeanNothingToANamedSender)
{
    try {
        (void)parse_config(
            "[hooks.a]\nrun = ['/bin/true']\nauth = { scheme = 'github', secret_env = 'A', header = 'B' }\n", "f.toml");
        FAIL() << "loaded";
    } catch (const ConfigError& error) {
        EXPECT_THAT(error.diagnostics().at(0).message, HasSubstr("unknown key \"header\""));
    }
}

} // namespace
} // namespace belay::config
