#include "cli/import/command_lookup.hpp"

#include "belayd/config/checks.hpp"

#include <filesystem>
#include <sstream>

namespace belay::webhook {

std::string find_command(const std::string& command, const std::string& directory, const CommandSearch& search)
{
    namespace fs = std::filesystem;
    if (command.starts_with('/'))
        return command;
    if (!directory.empty() || command.find('/') != std::string::npos)
        return (fs::path{search.working_directory} / directory / command).lexically_normal().string();
    std::istringstream directories{search.path};
    for (std::string one; std::getline(directories, one, ':');)
        if (const auto path = (fs::path{one} / command).string(); config::fault_in_command(path).empty())
            return path;
    return command;
}

} // namespace belay::webhook
