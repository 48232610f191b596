#include "belayd/listeners.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <system_error>

namespace belay {
namespace {

constexpr std::string_view passed_prefix = "fd:";
constexpr std::string_view passed_ingress = "ingress"; // FileDescriptorName= in belayd.socket

/** A socket unit with several ListenStream= passes several sockets of one name. */
void take_passed(const std::string& spec, daemon::Core& core, std::vector<http::ListeningSocket>& out)
{
    const std::string name = spec.substr(passed_prefix.size());
    bool found = false;
    while (auto passed = core.take_passed_socket(name)) {
        out.push_back({.name = spec, .fd = std::move(passed->fd), .passed = true, .unix_path = {}});
        found = true;
    }
    if (!found)
        throw daemon::StartError{daemon::ExitCode::unavailable,
            fmt::format("cannot listen on {}: the service manager passed no socket of that name; "
                        "set FileDescriptorName={} in the socket unit",
                spec, name)};
}

} // namespace

std::vector<std::string> ingress_specs(
    const config::Config& config, const std::vector<std::string>& present, const daemon::Core& core)
{
    if (config.ingress_listen)
        return *config.ingress_listen;
    const std::string spec = std::string{passed_prefix} + std::string{passed_ingress};
    if (core.has_passed_socket(passed_ingress) || std::find(present.begin(), present.end(), spec) != present.end())
        return {spec};
    return {config::default_ingress_listen};
}

std::vector<http::ListeningSocket> open_listeners(
    const std::vector<std::string>& specs, const std::vector<std::string>& present, daemon::Core& core)
{
    std::vector<http::ListeningSocket> opened;
    for (const auto& spec : specs) {
        if (std::find(present.begin(), present.end(), spec) != present.end())
            continue;
        if (spec.starts_with(passed_prefix)) {
            take_passed(spec, core, opened);
            continue;
        }
        try {
            opened.push_back(http::open_listening_socket(spec));
        } catch (const std::system_error& e) {
            throw daemon::StartError{daemon::ExitCode::unavailable, e.what()};
        }
    }
    return opened;
}

} // namespace belay
