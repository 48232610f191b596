#pragma once
#include "belayd/config/config.hpp"

#include <span>
#include <string>
#include <string_view>

namespace belay::hooks {

/**
 * Reads a secret; one trailing newline is not part of it.
 * @param config_directory what a relative file name is relative to
 * @throws std::runtime_error naming the source and why: missing, unreadable, readable by others, empty, over 4 KiB
 */
[[nodiscard]] std::string load_secret(const config::SecretSource& source, const std::string& config_directory);

/** "sha256=" and 64 lower-case hexadecimal digits: HMAC-SHA256 of the raw body. */
[[nodiscard]] std::string github_signature(std::string_view secret, std::string_view body);

/**
 * Whether `header` (X-Hub-Signature-256) is the signature of `body` under any of `secrets`.
 *
 * Takes the same time whichever secret fits or none does; malformed headers take the same path.
 * https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
 */
[[nodiscard]] bool verify_github_signature(
    std::span<const std::string> secrets, std::string_view header, std::string_view body);

} // namespace belay::hooks
