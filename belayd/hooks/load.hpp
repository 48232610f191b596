#pragma once
#include "belayd/config/load.hpp"

#include <string>
#include <vector>

namespace belay::hooks {

/**
 * Reads a configuration and tries the secrets that it names: what is wrong with either is told at once, in the order of
 * the file.
 * @param unchecked if given, the caller is not belayd: credentials, environment variables and files that this user may
 * not read are noted there, not judged
 * @throws config::ConfigError
 */
[[nodiscard]] config::Config load_config(const std::string& path, std::vector<config::Diagnostic>* unchecked = nullptr);

} // namespace belay::hooks
