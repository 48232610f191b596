#pragma once
#include "http/request.hpp"

#include <sys/socket.h>

#include <optional>

namespace belay::http {

/** The peer behind an address that accept(2) or getpeername(2) gave. */
[[nodiscard]] Peer peer_of(const sockaddr_storage& address);

/** The peer of a connected socket; nothing if it has gone. */
[[nodiscard]] std::optional<Peer> peer_of(int socket);

} // namespace belay::http
