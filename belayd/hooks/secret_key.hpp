#pragma once
#include "belayd/config/scheme.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>

/** How secrets and signatures are written: what who verifies and who signs have in common. */
namespace belay::hooks {

/** Of Ed25519, RFC 8032 §5.1.5: of the public key, and of the private one, which others call the seed. */
inline constexpr std::size_t ed25519_key_bytes = 32;

/** Overwrites a secret when it is no longer needed. */
class Wiped {
public:
    explicit Wiped(std::string& text) noexcept : text_(text) {}
    ~Wiped();
    Wiped(const Wiped&) = delete;
    Wiped& operator=(const Wiped&) = delete;
    Wiped(Wiped&&) = delete;
    Wiped& operator=(Wiped&&) = delete;

private:
    std::string& text_;
};

/** As encode() writes it: without the padding of base64url, which some senders send. */
[[nodiscard]] std::string_view without_padding(
    config::SignatureForm::Encoding encoding, std::string_view text) noexcept;

/** Nothing where it is not written so: one text for each sequence of bytes, and base64url with its padding as well. */
[[nodiscard]] std::optional<std::string> decode(config::SignatureForm::Encoding encoding, std::string_view text);

[[nodiscard]] std::string encode(config::SignatureForm::Encoding encoding, std::span<const unsigned char> bytes);

/** "base64 digits" */
[[nodiscard]] std::string_view words_for(config::SignatureForm::Encoding encoding) noexcept;

/** Of an HMAC, as Mac takes it. */
[[nodiscard]] std::string_view hash_of(config::SignatureForm::Algorithm algorithm) noexcept;

/**
 * The bytes of a secret of a form: a key of an HMAC, a public key, or what is itself sent.
 * @throws std::invalid_argument why it is none: a phrase that follows what names the secret
 */
[[nodiscard]] std::string key_of(
    const config::Scheme& scheme, const config::SignatureForm& form, std::string_view secret);

} // namespace belay::hooks
