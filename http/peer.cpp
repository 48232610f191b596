#include "http/peer.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

namespace belay::http {

Peer peer_of(const sockaddr_storage& address)
{
    char text[INET6_ADDRSTRLEN] = {};
    if (address.ss_family == AF_INET) {
        sockaddr_in v4;
        std::memcpy(&v4, &address, sizeof v4);
        ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
        return {
            .address = text, .port = ntohs(v4.sin_port), .loopback = ntohl(v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET};
    }
    if (address.ss_family == AF_INET6) {
        sockaddr_in6 v6;
        std::memcpy(&v6, &address, sizeof v6);
        ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
        if (!IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
            return {.address = text, .port = ntohs(v6.sin6_port), .loopback = IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) != 0};
        ::inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text, sizeof text);
        return {.address = text, .port = ntohs(v6.sin6_port), .loopback = v6.sin6_addr.s6_addr[12] == IN_LOOPBACKNET};
    }
    return {.address = "unix", .port = 0, .loopback = true};
}

std::optional<Peer> peer_of(int socket)
{
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0)
        return std::nullopt;
    return peer_of(address);
}

} // namespace belay::http
