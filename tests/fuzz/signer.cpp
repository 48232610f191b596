#include "tests/fuzz/signer.hpp"

#include "belayd/hooks/encoding.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <array>
#include <utility>

namespace belay::fuzz {
namespace {

using config::SignatureForm;
using Algorithm = SignatureForm::Algorithm;
using Encoding = SignatureForm::Encoding;

std::string encode(Encoding encoding, std::string_view bytes)
{
    switch (encoding) {
    case Encoding::plain:
        break;
    case Encoding::hex:
        return hooks::to_hex(hooks::bytes_of(bytes));
    case Encoding::base64:
        return hooks::to_base64(hooks::bytes_of(bytes));
    }
    return std::string{bytes};
}

std::string random_bytes()
{
    std::array<unsigned char, 32> bytes{};
    expect(RAND_bytes(bytes.data(), bytes.size()) == 1, "no random bytes");
    return {bytes.begin(), bytes.end()};
}

const EVP_MD* hash_of(Algorithm algorithm)
{
    return algorithm == Algorithm::hmac_sha1     ? EVP_sha1()
           : algorithm == Algorithm::hmac_sha512 ? EVP_sha512()
                                                 : EVP_sha256();
}

std::string hmac(Algorithm algorithm, std::string_view key, std::string_view message)
{
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    HMAC(hash_of(algorithm), key.data(), static_cast<int>(key.size()), hooks::bytes_of(message).data(), message.size(),
        digest.data(), &size);
    return {digest.begin(), digest.begin() + size};
}

std::string ed25519(EVP_PKEY* key, std::string_view message)
{
    std::array<unsigned char, 64> signature{};
    std::size_t size = signature.size();
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
    expect(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key) == 1 &&
               EVP_DigestSign(
                   context.get(), signature.data(), &size, hooks::bytes_of(message).data(), message.size()) == 1,
        "OpenSSL has no Ed25519");
    return {signature.begin(), signature.end()};
}

} // namespace

Signer::Signer(SignatureForm form) : form_(std::move(form))
{
    std::string secret;
    if (form_.algorithm == Algorithm::ed25519) {
        key_pair_.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
        std::array<unsigned char, 32> key{};
        std::size_t size = key.size();
        expect(EVP_PKEY_get_raw_public_key(key_pair_.get(), key.data(), &size) == 1, "OpenSSL has no Ed25519");
        secret.assign(key.begin(), key.end());
    } else {
        const std::string bytes = random_bytes();
        key_ = form_.secret_encoding == Encoding::plain ? encode(Encoding::hex, bytes) : bytes;
        secret = key_;
    }
    secret_ = form_.secret_prefix + encode(form_.secret_encoding, secret);
}

bool Signer::signs() const noexcept
{
    return form_.algorithm != Algorithm::equality;
}

std::string Signer::sign(std::string_view message) const
{
    if (!signs())
        return key_;
    if (key_pair_)
        return encode(form_.encoding, ed25519(key_pair_.get(), message));
    return encode(form_.encoding, hmac(form_.algorithm, key_, message));
}

} // namespace belay::fuzz
