#pragma once
#include "base/ip_network.hpp"
#include "http/request.hpp"

#include <string>
#include <vector>

namespace belay::http {

/** Peers that pass on what others send, and are believed when they say whose it is. */
struct TrustedProxies {
    std::vector<IpNetwork> networks;
    bool unix_peers = false; ///< who may connect to a unix socket

    bool operator==(const TrustedProxies&) const = default;
};

/** Of whom nothing is known but that a trusted proxy passed it on: no address, so it is in no network. */
inline constexpr const char* unknown_client = "unknown";

/**
 * Whom a request comes from: its peer, unless that is a trusted proxy; then the rightmost address of X-Forwarded-For
 * (all its lines, in their order) that is none.  What stands further left anybody may have written.  Where all are
 * trusted it is the leftmost; what is no address, before one that is not trusted was met, makes it unknown_client.
 * @return as Peer::address
 */
[[nodiscard]] std::string client_address(const Request& request, const TrustedProxies& trusted);

} // namespace belay::http
