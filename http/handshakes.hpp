#pragma once

namespace belay::http {

/**
 * Whether a handshake with a listening TCP socket was answered less than a second ago and is not complete: the peer
 * may think itself connected.  Says no where the kernel does not tell.  Takes milliseconds where there are many
 * sockets.
 */
[[nodiscard]] bool handshakes_under_way(int listening_socket);

} // namespace belay::http
