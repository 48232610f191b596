#pragma once
#include "daemon/known_sockets.hpp"

#include <optional>
#include <string>
#include <vector>

namespace belay {

/** What belayd was started with. */
struct CommandLine {
    std::string config;        ///< path of belay.toml
    bool check = false;        ///< validate and exit
    bool strict_leaks = false; ///< exit 70 when the leak check finds anything

    // What one image of belayd says to the next, see daemon/upgrade.hpp:
    std::optional<int> can_resume;      ///< say whether a hand-over of this version could be taken
    std::string running_state_dir;      ///< and this, where jobs live on
    std::string running_store;          ///< likewise
    daemon::KnownSockets running;       ///< with these, for this configuration
    std::optional<int> resume;          ///< descriptor of the hand-over to start from
    std::vector<std::string> arguments; ///< all of them, but the name and the two above
};

/**
 * Reads the arguments; prints --help and --version itself.
 * @return nothing when the process should end now with `exit_code`
 */
[[nodiscard]] std::optional<CommandLine> parse_command_line(int argc, char** argv, int& exit_code);

} // namespace belay
