#pragma once
#include "belayd/config/config.hpp"

#include <string>

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

} // namespace belay::hooks
