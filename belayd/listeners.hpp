#pragma once
#include "belayd/config/config.hpp"
#include "daemon/core.hpp"
#include "daemon/known_sockets.hpp"
#include "http/server.hpp"

#include <string>
#include <vector>

namespace belay {

/** What ingress shall listen on: as written, else the passed sockets named "ingress", else the default. */
[[nodiscard]] std::vector<std::string> ingress_specs(const config::Config& config, const daemon::KnownSockets& known);

/**
 * Opens those of `specs` that are not open yet; of "fd:NAME" it only makes sure that take_passed_listeners() will find
 * them: a passed socket is given once, and a reload that fails must not have taken it.
 * @throws daemon::StartError (69) naming the spec; nothing stays open then
 */
[[nodiscard]] std::vector<http::ListeningSocket> open_listeners(
    const std::vector<std::string>& specs, const daemon::KnownSockets& known);

/**
 * Opens and closes those of `specs` that are not open yet: whether another process will be able to.
 * @throws daemon::StartError as open_listeners()
 */
void try_listeners(const std::vector<std::string>& specs, const daemon::KnownSockets& known);

/** The passed sockets among `specs` that are not in `present`: several where the socket unit has several of a name. */
[[nodiscard]] std::vector<http::ListeningSocket> take_passed_listeners(
    const std::vector<std::string>& specs, const std::vector<std::string>& present, daemon::Core& core);

} // namespace belay
