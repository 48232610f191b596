#include "belayd/hooks/sender_key.hpp"

#include "belayd/hooks/ed25519.hpp"
#include "belayd/hooks/encoding.hpp"
#include "belayd/hooks/secret.hpp"

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
using Encoding = SignatureForm::Encoding;

// RFC 8032 §5.1.5 and §5.1.6
constexpr std::size_t public_key_bytes = 32;
constexpr std::size_t signature_bytes = 64;

/** To verify one takes as long as hashing the message does, before anybody is known to hold a key. */
constexpr std::size_t most_public_key_signatures = 4;

/** Overwrites a secret when it is no longer needed. */
class Wiped {
public:
    explicit Wiped(std::string& text) noexcept : text_(text) {}
    ~Wiped() { OPENSSL_cleanse(text_.data(), text_.size()); }
    Wiped(const Wiped&) = delete;
    Wiped& operator=(const Wiped&) = delete;
    Wiped(Wiped&&) = delete;
    Wiped& operator=(Wiped&&) = delete;

private:
    std::string& text_;
};

std::string words_for(const SignatureForm& form)
{
    return fmt::format("{}{}", form.secret_prefix.empty() ? "" : "\"" + form.secret_prefix + "\" and ",
        form.secret_encoding == Encoding::plain    ? "text"
        : form.secret_encoding == Encoding::base64 ? "base64 digits"
                                                   : "lower-case hexadecimal digits");
}

const SignatureForm& form_of(const config::Scheme& scheme, std::string_view secret)
{
    const auto found = std::ranges::find_if(
        scheme.forms, [secret](const SignatureForm& form) { return secret.starts_with(form.secret_prefix); });
    if (found == scheme.forms.end())
        throw std::invalid_argument{fmt::format("is no secret of {}: it begins otherwise", scheme.name)};
    return *found;
}

std::optional<std::string> decode(Encoding encoding, std::string_view text)
{
    switch (encoding) {
    case Encoding::plain:
        break;
    case Encoding::hex:
        return from_hex(text);
    case Encoding::base64:
        return from_base64(text);
    }
    return std::string{text};
}

std::string encode(Encoding encoding, const Digest& digest)
{
    return encoding == Encoding::base64 ? to_base64(digest.view()) : to_hex(digest.view());
}

bool is_fit_for_a_header(std::string_view text)
{
    return std::ranges::none_of(text, [](char c) { return c == 0x7f || (c >= 0 && c < 0x20 && c != '\t'); }) &&
           text.find_first_of(" \t") != 0 && text.find_last_of(" \t") != text.size() - 1;
}

/** The bytes of the secret.  @throws std::invalid_argument */
std::string key_of(const config::Scheme& scheme, const SignatureForm& form, std::string_view secret)
{
    const bool is_public = form.algorithm == Algorithm::ed25519;
    const std::size_t least = is_public ? public_key_bytes : form.least_key_bytes;
    const std::size_t most = is_public ? public_key_bytes : form.most_key_bytes;
    auto key = decode(form.secret_encoding, secret.substr(form.secret_prefix.size()));
    if (!key || key->size() < least || key->size() > most)
        throw std::invalid_argument{fmt::format("is not what {} gives out, {} of {} bytes", scheme.name,
            words_for(form), least == most ? std::to_string(least) : fmt::format("{} to {}", least, most))};
    if (is_public && is_of_small_order(*key))
        throw std::invalid_argument{"is a public key with which anybody can sign"};
    if (form.algorithm == Algorithm::equality && !is_fit_for_a_header(*key))
        throw std::invalid_argument{"cannot be sent in a header: it has control characters, or blanks at its ends"};
    return *std::move(key);
}

std::string_view hash_of(Algorithm algorithm) noexcept
{
    switch (algorithm) {
    case Algorithm::hmac_sha1:
        return "SHA1";
    case Algorithm::hmac_sha512:
        return "SHA512";
    case Algorithm::equality:
    case Algorithm::hmac_sha256:
    case Algorithm::ed25519:
        break;
    }
    return "SHA256";
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
    const std::string expected = encode(form_.encoding, mac.digest(message));
    for (const std::string_view given : signatures) // each, whatever the one before said
        right += same(given, expected) ? 1 : 0;
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
