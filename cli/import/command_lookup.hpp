#pragma once
#include <string>

namespace belay::webhook {

/** Where programs are found. */
struct CommandSearch {
    std::string working_directory; ///< of webhook itself
    std::string path;              ///< $PATH
};

/**
 * The absolute path of a hook's program, as webhook finds it: relative to the hook's directory, if it has one and the
 * program is no absolute path; else by $PATH where it has no "/".
 * @return what was written, where there is no such program
 */
[[nodiscard]] std::string find_command(
    const std::string& command, const std::string& directory, const CommandSearch& search);

} // namespace belay::webhook
