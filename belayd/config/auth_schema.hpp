#pragma once
#include "belayd/config/config.hpp"
#include "belayd/config/problems.hpp"
#include "belayd/config/toml_document.hpp"

#include <string>
#include <string_view>

namespace belay::config {

/** auth = "none" or { scheme = "github", secret_file = "x" }; a line that may hold a secret itself is not shown. */
void read_auth(const Node& node, Auth& auth, Problems& problems);

/** HTTP's own credentials (RFC 7617): the secret is a file of users and their hashed passwords. */
inline constexpr std::string_view basic_scheme_name = "basic";

/** TOML text of the value. */
[[nodiscard]] std::string write_auth(const Auth& auth);

} // namespace belay::config
