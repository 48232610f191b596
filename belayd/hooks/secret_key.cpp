#include "belayd/hooks/secret_key.hpp"

#include "belayd/hooks/ed25519.hpp"
#include "belayd/hooks/encoding.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace belay::hooks {
namespace {

using config::SignatureForm;
using Algorithm = SignatureForm::Algorithm;
using Encoding = SignatureForm::Encoding;

bool is_fit_for_a_header(std::string_view text)
{
    return std::ranges::none_of(text, [](char c) { return c == 0x7f || (c >= 0 && c < 0x20 && c != '\t'); }) &&
           text.find_first_of(" \t") != 0 && text.find_last_of(" \t") != text.size() - 1;
}

} // namespace

Wiped::~Wiped()
{
    OPENSSL_cleanse(text_.data(), text_.size());
}

std::string_view without_padding(Encoding encoding, std::string_view text) noexcept
{
    if (encoding != Encoding::base64url || text.size() % 4 != 0)
        return text;
    for (int most = 2; most > 0 && text.ends_with('='); --most)
        text.remove_suffix(1);
    return text;
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
    case Encoding::base64url:
        return from_base64url(without_padding(encoding, text));
    }
    return std::string{text};
}

std::string encode(Encoding encoding, std::span<const unsigned char> bytes)
{
    switch (encoding) {
    case Encoding::plain:
        break;
    case Encoding::hex:
        return to_hex(bytes);
    case Encoding::base64:
        return to_base64(bytes);
    case Encoding::base64url:
        return to_base64url(bytes);
    }
    return {bytes.begin(), bytes.end()};
}

std::string_view words_for(Encoding encoding) noexcept
{
    switch (encoding) {
    case Encoding::plain:
        break;
    case Encoding::hex:
        return "lower-case hexadecimal digits";
    case Encoding::base64:
        return "base64 digits";
    case Encoding::base64url:
        return "base64url digits";
    }
    return "text";
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

std::string key_of(const config::Scheme& scheme, const SignatureForm& form, std::string_view secret)
{
    const bool is_public = form.algorithm == Algorithm::ed25519;
    const std::size_t least = is_public ? ed25519_key_bytes : form.least_key_bytes;
    const std::size_t most = is_public ? ed25519_key_bytes : form.most_key_bytes;
    auto key = decode(form.secret_encoding, secret.substr(form.secret_prefix.size()));
    if (!key || key->size() < least || key->size() > most)
        throw std::invalid_argument{fmt::format("is not what {} gives out, {}{} of {} bytes", scheme.name,
            form.secret_prefix.empty() ? "" : "\"" + form.secret_prefix + "\" and ", words_for(form.secret_encoding),
            least == most ? std::to_string(least) : fmt::format("{} to {}", least, most))};
    if (is_public && is_of_small_order(*key))
        throw std::invalid_argument{"is a public key with which anybody can sign"};
    if (form.algorithm == Algorithm::equality && !is_fit_for_a_header(*key))
        throw std::invalid_argument{"cannot be sent in a header: it has control characters, or blanks at its ends"};
    return *std::move(key);
}

} // namespace belay::hooks
