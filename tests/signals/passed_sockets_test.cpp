#include "signals/passed_sockets.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace belay::signals {
namespace {

/** Socket activation as the service manager does it, in this process: only for death tests. */
void pass(int count, const char* names)
{
    for (int fd = 3; fd < 3 + count; ++fd) {
        const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
        ::listen(socket, 1);
        if (socket != fd) {
            ::dup2(socket, fd);
            ::close(socket);
        }
    }
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    ::setenv("LISTEN_FDS", std::to_string(count).c_str(), 1);
    ::setenv("LISTEN_FDNAMES", names, 1);
}

[[noreturn]] void finish(bool ok)
{
    ::_exit(ok ? 0 : 1);
}

TEST(PassedSockets, NoneWithoutActivation)
{
    EXPECT_TRUE(take_passed_sockets().empty());
}

TEST(PassedSockets, NoneThatAreMeantForAnotherProcess)
{
    ::setenv("LISTEN_PID", "1", 1);
    ::setenv("LISTEN_FDS", "1", 1);
    EXPECT_TRUE(take_passed_sockets().empty());
    ::unsetenv("LISTEN_PID");
    ::unsetenv("LISTEN_FDS");
}

TEST(PassedSockets, TakesThemByNameWithCloexecAndLeavesTheEnvironment)
{
    EXPECT_EXIT(
        {
            pass(2, "ingress:admin");
            const auto sockets = take_passed_sockets();
            finish(sockets.size() == 2 && sockets[0].name == "ingress" && sockets[0].fd.get() == 3 &&
                   sockets[1].name == "admin" && sockets[1].fd.get() == 4 && (::fcntl(3, F_GETFD) & FD_CLOEXEC) != 0 &&
                   std::getenv("LISTEN_FDS") != nullptr);
        },
        ::testing::ExitedWithCode(0), "");
}

UniqueFd tcp_socket(bool listening)
{
    UniqueFd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (listening && ::listen(fd.get(), 1) != 0)
        ADD_FAILURE() << "listen";
    return fd;
}

TEST(PassedSockets, WhatDoesNotListenWasStored)
{
    std::vector<PassedSocket> passed;
    passed.push_back({"first", tcp_socket(true)});
    passed.push_back({"connection", tcp_socket(false)});
    passed.push_back({"eventfd", UniqueFd{::eventfd(0, EFD_CLOEXEC)}});
    passed.push_back({"datagrams", UniqueFd{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)}});
    passed.push_back({"second", tcp_socket(true)});

    std::vector<std::string> stored;
    for (const auto& socket : take_stored(passed))
        stored.push_back(socket.name);
    EXPECT_EQ(stored, (std::vector<std::string>{"connection", "eventfd", "datagrams"}));
    ASSERT_EQ(passed.size(), 2U);
    EXPECT_EQ(passed[0].name, "first");
    EXPECT_EQ(passed[1].name, "second");
    EXPECT_TRUE(passed[1].fd);
}

} // namespace
} // namespace belay::signals
