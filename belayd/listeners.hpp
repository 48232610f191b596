#pragma once
#include "belayd/config/config.hpp"
#include "daemon/core.hpp"
#include "http/server.hpp"

#include <string>
#include <vector>

namespace belay {

/**
 * What ingress shall listen on: as written, else the passed sockets named "ingress", else the default.
 * @param present names of the listeners that are open now: a passed socket is passed only once
 */
[[nodiscard]] std::vector<std::string> ingress_specs(
    const config::Config& config, const std::vector<std::string>& present, const daemon::Core& core);

/**
 * Opens those of `specs` that are not in `present`; of "fd:NAME" it only makes sure that take_passed_listeners() will
 * find them: a passed socket is given once, and a reload that fails must not have taken it.
 * @throws daemon::StartError (69) naming the spec; nothing stays open then
 */
[[nodiscard]] std::vector<http::ListeningSocket> open_listeners(
    const std::vector<std::string>& specs, const std::vector<std::string>& present, const daemon::Core& core);

/** The passed sockets among `specs` that are not in `present`: several where the socket unit has several of a name. */
[[nodiscard]] std::vector<http::ListeningSocket> take_passed_listeners(
    const std::vector<std::string>& specs, const std::vector<std::string>& present, daemon::Core& core);

} // namespace belay
