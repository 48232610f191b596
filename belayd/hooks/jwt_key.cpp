#include "belayd/hooks/jwt_key.hpp"

#include "belayd/hooks/ed25519.hpp"
#include "belayd/hooks/encoding.hpp"

#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include <array>
#include <optional>
#include <stdexcept>
#include <utility>

namespace belay::hooks {
namespace {

namespace json = boost::json;
using Algorithm = JwtKey::Algorithm;

constexpr std::size_t least_secret_bytes = 32;
constexpr int least_rsa_bits = 2048;
constexpr std::string_view pem_begin = "-----BEGIN ";
constexpr int most_rsa_bits = 8192;          // to verify takes the square of it, before anybody is known to hold a key
constexpr int most_exponent_bits = 32;       // likewise; everybody\'s is 65537
constexpr std::size_t most_keys = 32;        // likewise, where a token names none
constexpr std::size_t coordinate_bytes = 32; // of P-256

template <auto free>
struct Free {
    void operator()(auto* it) const noexcept { free(it); }
};
template <typename T, auto free>
using Owned = std::unique_ptr<T, Free<free>>;
using PublicKey = std::unique_ptr<EVP_PKEY, FreePublicKey>;
using Number = Owned<BIGNUM, BN_free>;
using Parameters = Owned<OSSL_PARAM, OSSL_PARAM_free>;
using ParameterBuilder = Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;

[[noreturn]] void refuse(const char* why)
{
    throw std::invalid_argument{why};
}

bool is_p256(const EVP_PKEY* key)
{
    std::array<char, 32> group{};
    return EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group.data(), group.size(), nullptr) == 1 &&
           std::string_view{group.data()} == "prime256v1";
}

/** With an exponent of 1 the signature is the message; OpenSSL reads such keys. */
void check_rsa(EVP_PKEY* key)
{
    if (EVP_PKEY_get_bits(key) < least_rsa_bits || EVP_PKEY_get_bits(key) > most_rsa_bits)
        refuse("is an RSA key of fewer than 2048 bits, or more than 8192");
    BIGNUM* read = nullptr;
    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &read) != 1)
        refuse("is no RSA key");
    const Number exponent{read};
    const Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context{EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr)};
    if (BN_num_bits(exponent.get()) > most_exponent_bits || EVP_PKEY_public_check(context.get()) != 1)
        refuse("is an RSA key that is not sound: its modulus or exponent");
}

void check_ed25519(const EVP_PKEY* key)
{
    std::string bytes(32, '\0');
    std::size_t size = bytes.size();
    if (EVP_PKEY_get_raw_public_key(key, reinterpret_cast<unsigned char*>(bytes.data()), &size) != 1 ||
        is_of_small_order(bytes))
        refuse("is a public key with which anybody can sign");
}

Algorithm algorithm_of(EVP_PKEY* key)
{
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
        check_rsa(key);
        return Algorithm::rs256;
    case EVP_PKEY_EC:
        if (!is_p256(key))
            refuse("is of a curve that is not P-256");
        return Algorithm::es256;
    case EVP_PKEY_ED25519:
        check_ed25519(key);
        return Algorithm::eddsa;
    default:
        refuse("is neither an RSA, nor a P-256, nor an Ed25519 key");
    }
}

std::string_view text_member(const json::object& object, std::string_view name)
{
    const json::value* const value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::string_view{value->get_string()} : std::string_view{};
}

/** @throws std::invalid_argument */
std::string bytes_member(const json::object& jwk, std::string_view name)
{
    auto bytes = from_base64url(text_member(jwk, name));
    if (!bytes || bytes->empty())
        throw std::invalid_argument{fmt::format("has no \"{}\"", name)};
    return *std::move(bytes);
}

Number number_member(const json::object& jwk, std::string_view name)
{
    const std::string bytes = bytes_member(jwk, name);
    return Number{BN_bin2bn(bytes_of(bytes).data(), static_cast<int>(bytes.size()), nullptr)};
}

PublicKey make_key(const char* type, const ParameterBuilder& builder)
{
    const Parameters parameters{OSSL_PARAM_BLD_to_param(builder.get())};
    const Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context{EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr)};
    EVP_PKEY* key = nullptr;
    if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1)
        refuse("is no key of its type");
    return PublicKey{key};
}

PublicKey make_rsa_key(const json::object& jwk)
{
    const Number modulus = number_member(jwk, "n");
    const Number exponent = number_member(jwk, "e");
    const ParameterBuilder builder{OSSL_PARAM_BLD_new()};
    if (OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) != 1)
        refuse("is no RSA key");
    return make_key("RSA", builder);
}

PublicKey make_ec_key(const json::object& jwk)
{
    const std::string x = bytes_member(jwk, "x");
    const std::string y = bytes_member(jwk, "y");
    if (text_member(jwk, "crv") != "P-256" || x.size() != coordinate_bytes || y.size() != coordinate_bytes)
        refuse("is of a curve that is not P-256");
    const std::string point = "\x04" + x + y; // SEC 1 §2.3.3, uncompressed
    const ParameterBuilder builder{OSSL_PARAM_BLD_new()};
    if (OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) != 1)
        refuse("is no P-256 key");
    return make_key("EC", builder);
}

PublicKey make_ed25519_key(const json::object& jwk)
{
    const std::string x = bytes_member(jwk, "x");
    PublicKey key{text_member(jwk, "crv") == "Ed25519"
                      ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(x).data(), x.size())
                      : nullptr};
    if (!key)
        refuse("is of a curve that is not Ed25519");
    return key;
}

PublicKey make_public_key(const json::object& jwk)
{
    const std::string_view type = text_member(jwk, "kty");
    if (jwk.contains("d") || type == "oct")
        refuse("is secret: a set of public keys has none");
    if (type == "RSA")
        return make_rsa_key(jwk);
    if (type == "EC")
        return make_ec_key(jwk);
    if (type == "OKP")
        return make_ed25519_key(jwk);
    refuse("is of a type that is not RSA, EC or OKP");
}

/** RFC 7517 §4.2 to §4.4: whether it may verify what is signed so. */
void check_use(const json::object& jwk, Algorithm algorithm)
{
    if (const json::value* const use = jwk.if_contains("use"); use != nullptr && text_member(jwk, "use") != "sig")
        refuse("is not for signatures: its \"use\"");
    if (const json::value* const operations = jwk.if_contains("key_ops")) {
        bool verifies = false;
        if (const auto* const list = operations->if_array())
            for (const json::value& operation : *list)
                verifies = verifies || operation == "verify";
        if (!verifies)
            refuse("is not for verifying: its \"key_ops\"");
    }
    if (jwk.contains("alg") && !is_name_of(algorithm, text_member(jwk, "alg")))
        refuse("is for another algorithm: its \"alg\"");
}

/** RFC 7518 §3.4 has both numbers side by side, OpenSSL in DER; "" where they are none. */
std::string to_der(std::string_view signature)
{
    if (signature.size() != 2 * coordinate_bytes)
        return {};
    const Owned<ECDSA_SIG, ECDSA_SIG_free> numbers{ECDSA_SIG_new()};
    const auto half = [&](std::size_t at) {
        return BN_bin2bn(bytes_of(signature.substr(at)).data(), static_cast<int>(coordinate_bytes), nullptr);
    };
    if (ECDSA_SIG_set0(numbers.get(), half(0), half(coordinate_bytes)) != 1) // takes them over
        return {};
    unsigned char* der = nullptr;
    const int size = i2d_ECDSA_SIG(numbers.get(), &der);
    std::string text = size > 0 ? std::string{reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)} : "";
    OPENSSL_free(der);
    return text;
}

} // namespace

bool is_name_of(Algorithm algorithm, std::string_view name) noexcept
{
    return name == to_string(algorithm) || (algorithm == Algorithm::eddsa && name == "Ed25519");
}

std::string_view to_string(Algorithm algorithm) noexcept
{
    switch (algorithm) {
    case Algorithm::hs256:
        return "HS256";
    case Algorithm::rs256:
        return "RS256";
    case Algorithm::es256:
        return "ES256";
    case Algorithm::eddsa:
        break;
    }
    return "EdDSA";
}

JwtKey::JwtKey(PublicKey key) : algorithm_(algorithm_of(key.get())), key_(std::move(key)) {}

JwtKey JwtKey::from_secret(std::string_view secret)
{
    // What is public must never be what is secret.
    if (secret.find(pem_begin) != std::string_view::npos)
        refuse("is a key, not a secret: name it with key_file");
    if (const auto first = secret.find_first_not_of(" \t\r\n"); first != std::string_view::npos && secret[first] == '{')
        refuse("is a JWK set, not a secret: name it with jwks_file");
    if (secret.size() < least_secret_bytes)
        refuse("is shorter than the 32 bytes that HS256 needs: openssl rand -hex 32");
    return JwtKey{Mac{"SHA256", secret}};
}

JwtKey JwtKey::from_pem(std::string_view pem)
{
    if (pem.find("PRIVATE KEY-----") != std::string_view::npos)
        refuse("is a private key, which belongs to who makes the tokens: openssl pkey -pubout -in KEY");
    if (const auto first = pem.find(pem_begin);
        first != std::string_view::npos && pem.find(pem_begin, first + 1) != std::string_view::npos)
        refuse("has more than one key: give each a file of its own");
    const Owned<BIO, BIO_free_all> input{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
    PublicKey key{PEM_read_bio_PUBKEY(input.get(), nullptr, nullptr, nullptr)};
    if (!key)
        refuse("is no public key in PEM, \"-----BEGIN PUBLIC KEY-----\"");
    return JwtKey{std::move(key)};
}

JwtKey JwtKey::from_jwk(const json::object& jwk)
{
    JwtKey key{make_public_key(jwk)};
    check_use(jwk, key.algorithm());
    if (jwk.contains("kid") && text_member(jwk, "kid").empty()) // else any token could name it
        refuse("has a \"kid\" that is no name");
    key.id_ = text_member(jwk, "kid");
    return key;
}

bool JwtKey::accepts(std::string_view message, std::string_view signature) const
{
    if (const auto* const key = std::get_if<PublicKey>(&key_))
        return accepts(*key, message, signature);
    const Digest expected = std::get<Mac>(key_).digest({&message, 1});
    return signature.size() == expected.size &&
           CRYPTO_memcmp(expected.bytes.data(), signature.data(), expected.size) == 0;
}

bool JwtKey::accepts(const PublicKey& key, std::string_view message, std::string_view signature) const
{
    const std::string der = algorithm_ == Algorithm::es256 ? to_der(signature) : std::string{signature};
    const EVP_MD* const hash = algorithm_ == Algorithm::eddsa ? nullptr : EVP_sha256();
    const Owned<EVP_MD_CTX, EVP_MD_CTX_free> context{EVP_MD_CTX_new()};
    if (!context || EVP_DigestVerifyInit(context.get(), nullptr, hash, nullptr, key.get()) != 1)
        throw std::runtime_error{"OpenSSL cannot verify with a key that it has read"};
    return EVP_DigestVerify(
               context.get(), bytes_of(der).data(), der.size(), bytes_of(message).data(), message.size()) == 1;
}

std::vector<JwtKey> parse_key_set(std::string_view text, std::vector<std::string>* skipped)
{
    boost::system::error_code ec;
    const json::value document = json::parse(text, ec);
    const json::object* const object = ec ? nullptr : document.if_object();
    const json::value* const list = object != nullptr ? object->if_contains("keys") : nullptr;
    if (list == nullptr || !list->is_array())
        refuse("is no JWK set: { \"keys\": [ … ] }, RFC 7517");
    if (list->get_array().size() > most_keys)
        refuse("has more than 32 keys");
    std::vector<JwtKey> keys;
    std::size_t number = 0;
    for (const json::value& key : list->get_array()) {
        ++number;
        try {
            if (!key.is_object())
                refuse("is no object");
            keys.push_back(JwtKey::from_jwk(key.get_object()));
        } catch (const std::invalid_argument& e) {
            if (skipped != nullptr)
                skipped->push_back(fmt::format("key {} {}", number, e.what()));
        }
    }
    if (keys.empty())
        refuse("has no key that is of use here: RSA of 2048 bits, P-256 or Ed25519, public, to verify signatures");
    return keys;
}

} // namespace belay::hooks
