#include "http/server.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <system_error>

namespace belay::http {
namespace {

[[noreturn]] void fail(int error, const std::string& what)
{
    throw std::system_error{error, std::generic_category(), what};
}

UniqueFd open_socket(int family, const std::string& spec)
{
    const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        fail(errno, "cannot open a socket for " + spec);
    return UniqueFd{fd};
}

/** A socket file that nobody listens on: left by a process that died. */
bool is_stale(const sockaddr_un& address)
{
    struct stat file{};
    if (::lstat(address.sun_path, &file) != 0 || !S_ISSOCK(file.st_mode))
        return false;
    const UniqueFd probe = open_socket(AF_UNIX, address.sun_path);
    return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
           errno == ECONNREFUSED; // EAGAIN: somebody listens and is busy
}

ListeningSocket open_unix(const std::string& spec, const std::string& path, int backlog, unsigned mode)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path)
        throw std::invalid_argument{
            "listen address \"" + spec + "\": a unix socket path has 1 to 107 bytes (unix(7)); choose a shorter one"};
    std::memcpy(address.sun_path, path.data(), path.size());

    ListeningSocket socket{.name = spec, .fd = open_socket(AF_UNIX, spec), .passed = false, .unix_path = path};
    const auto bind = [&] {
        return ::bind(socket.fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    };
    // The file must never be more open than `mode`: bind() takes its permissions from the descriptor and the umask.
    (void)::fchmod(socket.fd.get(), mode);
    if (!bind()) {
        if (errno != EADDRINUSE)
            fail(errno, "cannot listen on " + spec + " (does its directory exist, and may we write there?)");
        if (!is_stale(address))
            fail(EADDRINUSE, "cannot listen on " + spec + ": another process listens there, or it is not a socket");
        if (::unlink(path.c_str()) != 0 || !bind())
            fail(errno, "cannot replace the stale socket of " + spec);
    }
    if (::chmod(path.c_str(), mode) != 0 || ::listen(socket.fd.get(), backlog) != 0) {
        const int error = errno;
        (void)::unlink(path.c_str());
        fail(error, "cannot listen on " + spec);
    }
    return socket;
}

struct HostPort {
    std::string host;
    std::uint16_t port = 0;
};

HostPort split_host_port(const std::string& spec)
{
    const std::invalid_argument malformed{
        "listen address \"" + spec + "\" is malformed; write \"host:port\", \"[v6 address]:port\" or \"unix:/path\""};
    const std::size_t colon = spec.rfind(':');
    if (colon == spec.npos)
        throw malformed;
    HostPort parts{.host = spec.substr(0, colon), .port = 0};
    if (parts.host.starts_with('[') && parts.host.ends_with(']'))
        parts.host = parts.host.substr(1, parts.host.size() - 2);
    else if (parts.host.find(':') != std::string::npos)
        throw malformed;
    const char* const end = spec.data() + spec.size();
    const auto parsed = std::from_chars(spec.data() + colon + 1, end, parts.port);
    if (parts.host.empty() || parsed.ec != std::errc{} || parsed.ptr != end)
        throw malformed;
    return parts;
}

ListeningSocket open_tcp(const std::string& spec, int backlog)
{
    const HostPort where = split_host_port(spec);
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const std::string port = std::to_string(where.port);
    if (const int error = ::getaddrinfo(where.host.c_str(), port.c_str(), &hints, &found); error != 0)
        fail(error == EAI_SYSTEM ? errno : EADDRNOTAVAIL,
            "cannot resolve " + spec + " (" + ::gai_strerror(error) + "); write a numeric address");
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner{found, &::freeaddrinfo};

    ListeningSocket socket{.name = spec, .fd = open_socket(found->ai_family, spec), .passed = false, .unix_path = {}};
    const int on = 1;
    (void)::setsockopt(socket.fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (found->ai_family == AF_INET6) // so that "0.0.0.0:80" and "[::]:80" stand side by side
        (void)::setsockopt(socket.fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (::bind(socket.fd.get(), found->ai_addr, found->ai_addrlen) != 0 || ::listen(socket.fd.get(), backlog) != 0) {
        const int error = errno;
        const char* const remedy = error == EADDRINUSE ? "; another process listens there, `ss -ltnp` names it"
                                   : error == EACCES   ? "; ports below 1024 need CAP_NET_BIND_SERVICE or a socket unit"
                                   : error == EADDRNOTAVAIL ? "; this host has no such address"
                                                            : "";
        fail(error, "cannot listen on " + spec + remedy);
    }
    return socket;
}

} // namespace

ListeningSocket open_listening_socket(const std::string& spec, int backlog, unsigned unix_mode)
{
    constexpr std::string_view unix_prefix = "unix:";
    if (spec.starts_with(unix_prefix))
        return open_unix(spec, spec.substr(unix_prefix.size()), backlog, unix_mode);
    return open_tcp(spec, backlog);
}

} // namespace belay::http
