#pragma once
#include "belayd/config/config.hpp"

#include <cstdint>
#include <string>

namespace belay::hooks {

/** "secret file \"github.secret\"" */
[[nodiscard]] std::string describe(const config::SecretSource& source);

/** One of up to 4 KiB, or a file of many, up to 256 KiB. */
enum class SecretSize : std::uint8_t { one, list };

/**
 * Reads a secret, or the keys that are none; one trailing newline is not part of it.
 * @param config_directory what a relative file name is relative to
 * @throws std::runtime_error naming the source and why: missing, open to others, empty, too long; where the
 * system said no, it is a std::system_error
 */
[[nodiscard]] std::string load_secret(
    const config::SecretSource& source, const std::string& config_directory, SecretSize size = SecretSize::one);

} // namespace belay::hooks
