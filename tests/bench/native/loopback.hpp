#pragma once
// What the programs of this folder share: sockets on loopback and epoll, without a layer between.
#include "base/unique_fd.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>

namespace belay::bench {

/** These are measurements: whatever goes wrong ends the program. */
[[noreturn]] inline void give_up(const char* what)
{
    std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
    std::exit(1);
}

inline int checked(int result, const char* what)
{
    if (result < 0)
        give_up(what);
    return result;
}

inline sockaddr_in loopback(std::uint16_t port)
{
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

inline void set_option(int fd, int level, int option)
{
    const int on = 1;
    checked(::setsockopt(fd, level, option, &on, sizeof on), "setsockopt");
}

inline UniqueFd listen_on(std::uint16_t port)
{
    UniqueFd fd{checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket")};
    set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR);
    const sockaddr_in address = loopback(port);
    checked(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
    checked(::listen(fd.get(), 4096), "listen");
    return fd;
}

/** Readiness, level-triggered; each descriptor comes with a pointer of the caller's. */
class Poll {
public:
    void add(int fd, void* tag, std::uint32_t events = EPOLLIN) { control(EPOLL_CTL_ADD, fd, tag, events); }
    void change(int fd, void* tag, std::uint32_t events) { control(EPOLL_CTL_MOD, fd, tag, events); }

    /** Before closing what a child process may still have: a vfork ends before exec closes descriptors. */
    void remove(int fd) { control(EPOLL_CTL_DEL, fd, nullptr, 0); }

    /** @param milliseconds -1: as long as it takes */
    std::span<const epoll_event> wait(int milliseconds = -1)
    {
        const int n = ::epoll_wait(fd_.get(), events_.data(), static_cast<int>(events_.size()), milliseconds);
        if (n < 0 && errno != EINTR)
            give_up("epoll_wait");
        return {events_.data(), static_cast<std::size_t>(n < 0 ? 0 : n)};
    }

private:
    void control(int operation, int fd, void* tag, std::uint32_t events)
    {
        epoll_event event{};
        event.events = events;
        event.data.ptr = tag;
        checked(::epoll_ctl(fd_.get(), operation, fd, &event), "epoll_ctl");
    }

    UniqueFd fd_{checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")};
    std::array<epoll_event, 1024> events_{};
};

} // namespace belay::bench
