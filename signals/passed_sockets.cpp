#include "signals/passed_sockets.hpp"

#include <systemd/sd-daemon.h>

#include <sys/socket.h>

#include <cstdlib>
#include <system_error>

namespace belay::signals {

std::vector<PassedSocket> take_passed_sockets()
{
    char** names = nullptr;
    const int count = ::sd_listen_fds_with_names(/*unset_environment=*/0, &names); // sets CLOEXEC
    if (count < 0)
        throw std::system_error{-count, std::system_category(), "passed sockets (LISTEN_FDS)"};

    std::vector<PassedSocket> sockets;
    for (int i = 0; i < count; ++i) {
        sockets.push_back({names[i], UniqueFd{SD_LISTEN_FDS_START + i}});
        std::free(names[i]); // NOLINT(cppcoreguidelines-no-malloc): libsystemd's contract
    }
    std::free(static_cast<void*>(names)); // NOLINT(cppcoreguidelines-no-malloc)

    for (const auto& socket : sockets)
        if (const int r = ::sd_is_socket(socket.fd.get(), AF_UNSPEC, SOCK_STREAM, /*listening=*/1); r <= 0)
            throw std::system_error{r < 0 ? -r : ENOTSOCK, std::system_category(),
                "passed socket \"" + socket.name + "\" (descriptor " + std::to_string(socket.fd.get()) +
                    ") is not a listening stream socket"};
    return sockets;
}

} // namespace belay::signals
