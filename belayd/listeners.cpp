#include "belayd/listeners.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <system_error>

namespace belay {
namespace {

constexpr std::string_view passed_prefix = "fd:";
constexpr std::string_view passed_ingress = "ingress"; // FileDescriptorName= in belayd.socket

bool is_in(const std::string& spec, const std::vector<std::string>& specs)
{
    return std::find(specs.begin(), specs.end(), spec) != specs.end();
}

std::string passed_name(const std::string& spec)
{
    return spec.substr(passed_prefix.size());
}

} // namespace

std::vector<std::string> ingress_specs(
    const config::Config& config, const std::vector<std::string>& present, const daemon::Core& core)
{
    if (config.ingress_listen)
        return *config.ingress_listen;
    const std::string spec = std::string{passed_prefix} + std::string{passed_ingress};
    if (core.has_passed_socket(passed_ingress) || is_in(spec, present))
        return {spec};
    return {config::default_ingress_listen};
}

std::vector<http::ListeningSocket> open_listeners(
    const std::vector<std::string>& specs, const std::vector<std::string>& present, const daemon::Core& core)
{
    std::vector<http::ListeningSocket> opened;
    for (const auto& spec : specs) {
        if (is_in(spec, present))
            continue;
        if (spec.starts_with(passed_prefix)) {
            if (!core.has_passed_socket(passed_name(spec)))
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
