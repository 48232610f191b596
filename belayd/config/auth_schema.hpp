#pragma once
#include "belayd/config/config.hpp"
#include "belayd/config/problems.hpp"
#include "belayd/config/toml_document.hpp"

#include <string>

namespace belay::config {

/** auth = "none" or { scheme = "github", secret_file = "x" }; a line that may hold a secret itself is not shown. */
void read_auth(const Node& node, Auth& auth, Problems& problems);

/** TOML text of the value. */
[[nodiscard]] std::string write_auth(const Auth& auth);

} // namespace belay::config
