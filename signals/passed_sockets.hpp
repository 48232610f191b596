#pragma once
#include "base/unique_fd.hpp"

#include <string>
#include <vector>

namespace belay::signals {

/** A listening socket that the service manager opened for us, sd_listen_fds(3). */
struct PassedSocket {
    std::string name; ///< FileDescriptorName= of the socket unit; "unknown" where it has none
    UniqueFd fd;      ///< CLOEXEC is set
};

/**
 * Takes the sockets in LISTEN_FDS that are meant for this process (LISTEN_PID).  The environment is left as it is.
 * Call once: the second call would own the same descriptors again.
 * @throws std::system_error if a descriptor is not a listening stream socket, naming it
 */
[[nodiscard]] std::vector<PassedSocket> take_passed_sockets();

} // namespace belay::signals
