#pragma once
#include "cli/context.hpp"

#include <string>
#include <vector>

namespace belay::cli {

/**
 * The whole of `belay` but its process: parses, runs, reports.
 *
 * @param arguments without the program's name
 * @return the exit status: 0; 1 what was asked for failed; 64 usage; 69 belayd not reachable; 70 a bug; 78
 * configuration
 */
[[nodiscard]] int run(std::vector<std::string> arguments, Context& context);

} // namespace belay::cli
