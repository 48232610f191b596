#pragma once
#include <optional>
#include <string>

namespace belay {

/** What belayd was started with. */
struct CommandLine {
    std::string config;        ///< path of belay.toml
    bool check = false;        ///< validate and exit
    bool strict_leaks = false; ///< exit 70 when the leak check finds anything
};

/**
 * Reads the arguments; prints --help and --version itself.
 * @return nothing when the process should end now with `exit_code`
 */
[[nodiscard]] std::optional<CommandLine> parse_command_line(int argc, char** argv, int& exit_code);

} // namespace belay
