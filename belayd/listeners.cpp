#include "belayd/listeners.hpp"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <system_error>

namespace belay {
namespace {

constexpr std::string_view passed_prefix = "fd:";
constexpr std::string_view passed_ingress = "ingress"; // FileDescriptorName= in belayd.socket

bool is_in(std::string_view name, const std::vector<std::string>& names)
{
    return std::find(names.begin(), names.end(), name) != names.end();
}

std::string passed_name(const std::string& spec)
{
    return spec.substr(passed_prefix.size());
}

} // namespace

std::vector<std::string> ingress_specs(const config::Config& config, const daemon::KnownSockets& known)
{
    if (config.ingress_listen)
        return *config.ingress_listen;
    const std::string spec = std::string{passed_prefix} + std::string{passed_ingress};
    if (is_in(passed_ingress, known.passed) || is_in(spec, known.listeners))
        return {spec};
    return {config::default_ingress_listen};
}

std::vector<http::ListeningSocket> open_listeners(
    const std::vector<std::string>& specs, const daemon::KnownSockets& known)
{
    std::vector<http::ListeningSocket> opened;
    for (const auto& spec : specs) {
        if (is_in(spec, known.listeners))
            continue;
        if (spec.starts_with(passed_prefix)) {
            if (!is_in(passed_name(spec), known.passed))
                throw daemon::StartError{daemon::ExitCode::unavailable,
                    fmt::format("cannot listen on {}: the service manager passed no socket of that name; "
                                "set FileDescriptorName={} in the socket unit",
                        spec, passed_name(spec))};
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

void try_listeners(const std::vector<std::string>& specs, const daemon::KnownSockets& known)
{
    for (const http::ListeningSocket& socket : open_listeners(specs, known))
        if (!socket.unix_path.empty())
            (void)::unlink(socket.unix_path.c_str());
}

std::vector<http::ListeningSocket> take_passed_listeners(
    const std::vector<std::string>& specs, const std::vector<std::string>& present, daemon::Core& core)
{
    std::vector<http::ListeningSocket> taken;
    for (const auto& spec : specs) {
        if (!spec.starts_with(passed_prefix) || is_in(spec, present))
            continue;
        while (auto passed = core.take_passed_socket(passed_name(spec)))
            taken.push_back({.name = spec, .fd = std::move(passed->fd), .passed = true, .unix_path = {}});
    }
    return taken;
}

} // namespace belay
