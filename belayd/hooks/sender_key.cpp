#include "belayd/hooks/sender_key.hpp"

#include "belayd/hooks/encoding.hpp"
#include "belayd/hooks/secret.hpp"
#include "belayd/hooks/secret_key.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace belay::hooks {
namespace {

using config::SignatureForm;
using Algorithm = SignatureForm::Algorithm;

constexpr std::size_t signature_bytes = 64; // RFC 8032 §5.1.6

/** To verify one takes as long as hashing the message does, before anybody is known to hold a key. */
constexpr std::size_t most_public_key_signatures = 4;

const SignatureForm& form_of(const config::Scheme& scheme, std::string_view secret)
{
    const auto found = std::ranges::find_if(
        scheme.forms, [secret](const SignatureForm& form) { return secret.starts_with(form.secret_prefix); });
    if (found == scheme.forms.end())
        throw std::invalid_argument{fmt::format("is no secret of {}: it begins otherwise", scheme.name)};
    return *found;
}

bool same(std::string_view a, std::string_view b) noexcept
{
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view text_of(const Digest& digest) noexcept
{
    return {reinterpret_cast<const char*>(digest.bytes.data()), digest.size};
}

} // namespace

void FreePublicKey::operator()(EVP_PKEY* key) const noexcept
{
    EVP_PKEY_free(key);
}

SenderKey::SenderKey(const config::Scheme& scheme, std::string_view secret)
    : form_(form_of(scheme, secret)), key_(PublicKey{})
{
    std::string key = key_of(scheme, form_, secret);
    const Wiped wiped{key};
    if (form_.algorithm == Algorithm::ed25519) {
        PublicKey made{EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(key).data(), key.size())};
        if (!made)
            throw std::runtime_error{"OpenSSL refuses the secret as an Ed25519 key"};
        key_ = std::move(made);
    } else {
        const Mac& mac = key_.emplace<Mac>(hash_of(form_.algorithm), key);
        itself_ = mac.digest(std::array{std::string_view{key}});
    }
}

bool SenderKey::accepts(std::span<const std::string_view> message, std::span<const std::string_view> signatures) const
{
    return std::visit([&](const auto& key) { return count_right(key, message, signatures); }, key_) != 0;
}

std::size_t SenderKey::count_right(
    const Mac& mac, std::span<const std::string_view> message, std::span<const std::string_view> signatures) const
{
    std::size_t right = 0;
    if (form_.algorithm == Algorithm::equality) {
        for (const std::string_view& given : signatures)
            right += same(text_of(mac.digest({&given, 1})), text_of(itself_)) ? 1 : 0;
        return right;
    }
    const std::string expected = encode(form_.encoding, mac.digest(message).view());
    for (const std::string_view given : signatures) // each, whatever the one before said
        right += same(without_padding(form_.encoding, given), expected) ? 1 : 0;
    return right;
}

std::size_t SenderKey::count_right(
    const PublicKey& key, std::span<const std::string_view> message, std::span<const std::string_view> signatures) const
{
    std::vector<std::string> sound;
    for (const std::string_view given : signatures)
        if (auto signature = decode(form_.encoding, given); signature && signature->size() == signature_bytes)
            sound.push_back(std::move(*signature));
    if (sound.empty() || sound.size() > most_public_key_signatures)
        return 0;
    std::string whole; // OpenSSL takes it in one piece
    for (const std::string_view part : message)
        whole += part;
    std::size_t right = 0;
    for (const std::string& signature : sound) {
        const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
        if (!context || EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1)
            throw std::runtime_error{"OpenSSL has no Ed25519"};
        if (EVP_DigestVerify(
                context.get(), bytes_of(signature).data(), signature.size(), bytes_of(whole).data(), whole.size()) == 1)
            ++right;
    }
    return right;
}

SenderKey load_key(
    const config::Scheme& scheme, const config::SecretSource& source, const std::string& config_directory)
{
    std::string secret = load_secret(source, config_directory);
    const Wiped wiped{secret};
    try {
        return {scheme, secret};
    } catch (const std::invalid_argument& e) {
        throw std::runtime_error{fmt::format("{} {}", describe(source), e.what())};
    }
}

} // namespace belay::hooks
