#include "belayd/hooks/encoding.hpp"
#include "belayd/hooks/jwt_key.hpp"

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace belay::hooks {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

JwtKey key_of(const std::string& jwk)
{
    return JwtKey::from_jwk(boost::json::parse(jwk).as_object());
}

std::string fault_in_jwk(const std::string& jwk)
{
    try {
        (void)key_of(jwk);
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return {};
}

std::string decode_key(std::string_view text)
{
    return from_base64url(text).value();
}

// RFC 7515, appendix A
constexpr const char* claims =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

const std::string p256_jwk = R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
                             R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")";
const std::string rsa_jwk =
    R"({"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1)"
    "Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-"
    "KXBdQ"
    "OS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_"
    "h9iaGNj8q2ethFkMLs91kz"
    R"(k2PAcDTW9gb54h4FRWyuXpoQ")";
const std::string ed25519_jwk = R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")";

TEST(JwtKey, VerifiesTheVectorsOfTheStandards)
{
    const JwtKey secret = JwtKey::from_secret(
        decode_key("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"));
    EXPECT_EQ(secret.algorithm(), JwtKey::Algorithm::hs256);
    EXPECT_TRUE(secret.accepts(std::string{"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."} + claims,
        decode_key("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")))
        << "A.1";

    const JwtKey rsa = key_of(rsa_jwk + "}");
    EXPECT_EQ(rsa.algorithm(), JwtKey::Algorithm::rs256);
    EXPECT_TRUE(rsa.accepts(std::string{"eyJhbGciOiJSUzI1NiJ9."} + claims,
        decode_key(
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF"
            "9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383Lc"
            "OLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlV"
            "mtVrBp0igcN_IoypGlUPQGe77Rw")))
        << "A.2";

    const JwtKey p256 = key_of(p256_jwk + "}");
    EXPECT_EQ(p256.algorithm(), JwtKey::Algorithm::es256);
    const std::string signature =
        decode_key("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");
    const std::string message = std::string{"eyJhbGciOiJFUzI1NiJ9."} + claims;
    EXPECT_TRUE(p256.accepts(message, signature)) << "A.3";
    EXPECT_FALSE(p256.accepts(message + "x", signature));
    EXPECT_FALSE(p256.accepts(message, signature.substr(1)));
    EXPECT_FALSE(p256.accepts(message, signature + '\0'));
    EXPECT_FALSE(p256.accepts(message, std::string(64, '\0')));
    EXPECT_FALSE(p256.accepts(message, ""));

    const JwtKey ed25519 = key_of(ed25519_jwk + "}");
    EXPECT_EQ(ed25519.algorithm(), JwtKey::Algorithm::eddsa);
    EXPECT_TRUE(ed25519.accepts("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
        decode_key("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")))
        << "RFC 8037, A.4";
}

TEST(JwtKey, IsPublicAndToVerifyWith)
{
    EXPECT_EQ(key_of(p256_jwk + R"(,"kid":"a","use":"sig","alg":"ES256","key_ops":["verify"]})").id(), "a");
    EXPECT_THAT(fault_in_jwk(p256_jwk + R"(,"use":"enc"})"), HasSubstr("not for signatures"));
    EXPECT_THAT(fault_in_jwk(p256_jwk + R"(,"use":7})"), HasSubstr("not for signatures"));
    EXPECT_THAT(fault_in_jwk(p256_jwk + R"(,"key_ops":["sign"]})"), HasSubstr("not for verifying"));
    EXPECT_THAT(fault_in_jwk(p256_jwk + R"(,"alg":"ES384"})"), HasSubstr("another algorithm"));
    EXPECT_THAT(fault_in_jwk(rsa_jwk + R"(,"alg":"PS256"})"), HasSubstr("another algorithm"));
    EXPECT_THAT(fault_in_jwk(p256_jwk + R"(,"d":"AA"})"), HasSubstr("is secret"));
    EXPECT_THAT(
        fault_in_jwk(R"({"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T"})"), HasSubstr("is secret"));
    EXPECT_THAT(fault_in_jwk(R"({"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAk"})"), HasSubstr("2048"));
    EXPECT_THAT(fault_in_jwk(R"({"kty":"EC","crv":"P-384","x":"AA","y":"AA"})"), HasSubstr("P-256"));
    EXPECT_THAT(fault_in_jwk(R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
                             R"("y":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"})"),
        HasSubstr("is no key"))
        << "not a point of the curve";
    EXPECT_THAT(fault_in_jwk(R"({"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})"),
        HasSubstr("Ed25519"));
    EXPECT_THAT(fault_in_jwk(R"({"kty":"XX"})"), HasSubstr("of a type"));
}

TEST(JwtKey, IsNoneWithWhichAnybodyCanSign)
{
    const std::string modulus = rsa_jwk.substr(rsa_jwk.find(R"("n":)"));
    const auto rsa_with = [&](const std::string& exponent) {
        return fault_in_jwk(R"({"kty":"RSA","e":")" + exponent + "\"," + modulus + "}");
    };
    EXPECT_EQ(rsa_with("AQAB"), "");
    for (const char* exponent : {"AQ", "AA", "Ag", "AQAA", "AQAAAAE"})
        EXPECT_THAT(rsa_with(exponent), HasSubstr("not sound")) << exponent;
    std::string even = rsa_jwk;
    even.replace(even.size() - 3, 2, "oA");
    EXPECT_THAT(fault_in_jwk(even + "}"), HasSubstr("not sound"));
    for (const char* point : {"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
             "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA"})
        EXPECT_THAT(fault_in_jwk(R"({"kty":"OKP","crv":"Ed25519","x":")" + std::string{point} + "\"}"),
            HasSubstr("with which anybody can sign"));
}

TEST(JwtKey, HasOneNameOfItsAlgorithmOrTwo)
{
    EXPECT_TRUE(is_name_of(key_of(ed25519_jwk + R"(,"alg":"Ed25519"})").algorithm(), "Ed25519"));
    EXPECT_TRUE(is_name_of(key_of(ed25519_jwk + R"(,"alg":"EdDSA"})").algorithm(), "EdDSA"));
    EXPECT_FALSE(is_name_of(JwtKey::Algorithm::es256, "Ed25519"));
    EXPECT_THAT(fault_in_jwk(p256_jwk + R"(,"kid":7})"), HasSubstr("\"kid\" that is no name"));
}

TEST(JwtKey, OfASecretIsNeverAPublicKey)
{
    EXPECT_THROW((void)JwtKey::from_secret(" \n{\"keys\":[" + p256_jwk + "}]}"), std::invalid_argument);
    EXPECT_THROW(
        (void)JwtKey::from_secret("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIa"
                                  "aPcHURo=\n-----END PUBLIC KEY-----"),
        std::invalid_argument);
    EXPECT_THROW((void)JwtKey::from_secret(std::string(31, 'x')), std::invalid_argument);
    EXPECT_NO_THROW((void)JwtKey::from_secret(std::string(32, 'x')));
    EXPECT_EQ(
        JwtKey::from_pem("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
                         "-----END PUBLIC KEY-----\n")
            .algorithm(),
        JwtKey::Algorithm::eddsa);
    EXPECT_THROW((void)JwtKey::from_pem("-----BEGIN PRIVATE KEY-----\nMC4CAQ==\n-----END PRIVATE KEY-----\n"),
        std::invalid_argument);
    const std::string pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
                            "-----END PUBLIC KEY-----\n";
    EXPECT_THROW((void)JwtKey::from_pem(pem + pem), std::invalid_argument) << "which of them?";
    EXPECT_THROW((void)JwtKey::from_pem(std::string(40, 'x')), std::invalid_argument);
}

TEST(KeySet, SkipsWhatIsNotOfUse)
{
    std::vector<std::string> skipped;
    const auto keys = parse_key_set(R"({"keys":[{"kty":"XX"},7,)" + p256_jwk + R"(,"kid":"b"}]})", &skipped);
    ASSERT_EQ(keys.size(), 1U);
    EXPECT_EQ(keys[0].id(), "b");
    EXPECT_THAT(skipped, ElementsAre(HasSubstr("key 1 is of a type"), HasSubstr("key 2 is no object")));
    for (const char* text : {"", "[]", "{}", R"({"keys":{}})", R"({"keys":[]})", R"({"keys":[{"kty":"XX"}]})"})
        EXPECT_THROW((void)parse_key_set(text), std::invalid_argument) << text;
}

} // namespace
} // namespace belay::hooks
