#pragma once
#include "belayd/config/problems.hpp"
#include "belayd/config/toml_document.hpp"

#include <string>

namespace belay::config {

/**
 * The main file with what its `include` names merged in, as one table.
 *
 * `include` is a pattern of glob(7) or several, relative to the main file's directory; the files of a pattern are read
 * in the order of their names.  A key may be written once in all of them, a hook in one of them.
 * @throws ConfigError for a file that cannot be read, and for syntax errors
 */
[[nodiscard]] Node load_with_includes(const std::string& path, Problems& problems);

} // namespace belay::config
