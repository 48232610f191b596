#include "http/handshakes.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>

namespace belay::http {

bool handshakes_under_way(int listening_socket)
{
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getsockname(listening_socket, reinterpret_cast<sockaddr*>(&address), &size) != 0)
        return false;
    sockaddr_in v4; // the port of an IPv6 address stands at the same place
    std::memcpy(&v4, &address, sizeof v4);

    // TCP_INFO of the socket counts only those complete, and the unit's sandbox forbids AF_NETLINK, thus sock_diag(7).
    // Under self/ the table is there with ProcSubset=pid, too.
    std::ifstream table{address.ss_family == AF_INET6 ? "/proc/self/net/tcp6" : "/proc/self/net/tcp"};
    for (std::string line; std::getline(table, line);) {
        unsigned port = 0;
        unsigned state = 0;
        unsigned retransmits = 0; // of the answer, the first after a second
        const int fields = std::sscanf(line.c_str(), "%*u: %*[^:]:%x %*s %x %*s %*s %x", &port, &state, &retransmits);
        if (fields == 3 && port == ntohs(v4.sin_port) && state == TCP_SYN_RECV && retransmits == 0)
            return true;
    }
    return false;
}

} // namespace belay::http
