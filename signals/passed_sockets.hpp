#pragma once
#include "base/unique_fd.hpp"

#include <string>
#include <vector>

namespace belay::signals {

/** A descriptor that the service manager passed to us, sd_listen_fds(3): a listening socket, or from its store. */
struct PassedSocket {
    std::string name; ///< FileDescriptorName= of the socket unit; "unknown" where it has none; in the store FDNAME=
    UniqueFd fd;      ///< CLOEXEC is set
};

/**
 * Takes what LISTEN_FDS has for this process (LISTEN_PID).  The environment is left as it is.
 * Call once: the second call would own the same descriptors again.
 * @throws std::system_error if it is garbled
 */
[[nodiscard]] std::vector<PassedSocket> take_passed_sockets();

/**
 * Takes out of `passed` what comes from the manager's descriptor store, where a process before this one put it:
 * whatever is not a listening stream socket.
 */
[[nodiscard]] std::vector<PassedSocket> take_stored(std::vector<PassedSocket>& passed);

} // namespace belay::signals
