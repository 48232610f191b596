#pragma once
#include "belayd/config/config.hpp"

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct evp_mac_ctx_st; // OpenSSL's EVP_MAC_CTX

namespace belay::hooks {

/** "secret file \"github.secret\"" */
[[nodiscard]] std::string describe(const config::SecretSource& source);

/**
 * Reads a secret; one trailing newline is not part of it.
 * @param config_directory what a relative file name is relative to
 * @throws std::runtime_error naming the source and why: missing, readable by others, empty, over 4 KiB; where the
 * system said no, it is a std::system_error
 */
[[nodiscard]] std::string load_secret(const config::SecretSource& source, const std::string& config_directory);

/** "sha256=" and 64 lower-case hexadecimal digits: HMAC-SHA256 of the raw body. */
[[nodiscard]] std::string github_signature(std::string_view secret, std::string_view body);

struct FreeMacContext {
    void operator()(evp_mac_ctx_st* context) const noexcept;
};

/** One secret, keyed once so that a signature costs little more than hashing the body.  Immutable, thread-safe. */
class SigningKey {
public:
    using Digest = std::array<unsigned char, 32>; ///< HMAC-SHA256

    explicit SigningKey(std::string_view secret);

    [[nodiscard]] Digest digest(std::string_view body) const;

private:
    std::unique_ptr<evp_mac_ctx_st, FreeMacContext> keyed_; // only ever duplicated
};

/**
 * Whether `header` (X-Hub-Signature-256) is the signature of `body` under any of `keys`.
 *
 * Takes the same time whichever key fits or none does; malformed headers take the same path.
 * https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
 */
[[nodiscard]] bool verify_github_signature(
    std::span<const SigningKey> keys, std::string_view header, std::string_view body);

/** The same, keying anew. */
[[nodiscard]] bool verify_github_signature(
    std::span<const std::string> secrets, std::string_view header, std::string_view body);

} // namespace belay::hooks
