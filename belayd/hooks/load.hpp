#pragma once
#include "belayd/config/load.hpp"

#include <string>
#include <vector>

namespace belay::hooks {

/** What is told of secrets beside errors to who is not belayd. */
struct SecretNotes {
    std::vector<config::Diagnostic>
        unchecked;                            ///< credentials, environment variables, files that this user may not read
    std::vector<config::Diagnostic> warnings; ///< keys of a set that are of no use
};

/**
 * Reads a configuration and tries the secrets that it names: what is wrong with either is told at once, in the order of
 * the file.
 * @param notes if given, the caller is not belayd: what it cannot see is noted there, not judged
 * @throws config::ConfigError
 */
[[nodiscard]] config::Config load_config(const std::string& path, SecretNotes* notes = nullptr);

} // namespace belay::hooks
