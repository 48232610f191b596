#pragma once
#include "base/unique_fd.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace belay {

/** As many descriptors as one message takes: SCM_MAX_FD, unix(7). */
inline constexpr std::size_t descriptors_per_message = 253;

/**
 * Queues copies of descriptors on a connected unix stream socket, in as many messages as it takes.  They stay alive
 * there until they are received, or until nobody has the other end any more.  Never blocks.
 * @throws std::system_error, with EAGAIN where the queue is full
 */
void send_descriptors(int socket, std::span<const int> descriptors);

/**
 * The counterpart: takes everything that waits in the queue, in order, close-on-exec.  Never blocks.
 * @throws std::system_error; what was received before is closed
 */
[[nodiscard]] std::vector<UniqueFd> receive_descriptors(int socket);

} // namespace belay
