#include "signals/passed_sockets.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdlib>
#include <iostream>

namespace belay::signals {
namespace {

/** Socket activation as the service manager does it, in this process: only for death tests. */
void pass(int count, const char* names, bool listening)
{
    for (int fd = 3; fd < 3 + count; ++fd) {
        const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
        if (listening)
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
            pass(2, "ingress:admin", /*listening=*/true);
            const auto sockets = take_passed_sockets();
            finish(sockets.size() == 2 && sockets[0].name == "ingress" && sockets[0].fd.get() == 3 &&
                   sockets[1].name == "admin" && sockets[1].fd.get() == 4 && (::fcntl(3, F_GETFD) & FD_CLOEXEC) != 0 &&
                   std::getenv("LISTEN_FDS") != nullptr);
        },
        ::testing::ExitedWithCode(0), "");
}

TEST(PassedSockets, RefusesWhatDoesNotListenAndNamesIt)
{
    EXPECT_EXIT(
        {
            pass(1, "ingress", /*listening=*/false);
            try {
                (void)take_passed_sockets();
            } catch (const std::system_error& e) {
                std::cerr << e.what() << '\n';
                finish(true);
            }
            finish(false);
        },
        ::testing::ExitedWithCode(0), "passed socket \"ingress\" .descriptor 3. is not a listening stream socket");
}

} // namespace
} // namespace belay::signals
