#include "signals/passed_sockets.hpp"

#include <systemd/sd-daemon.h>

#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
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

    return sockets;
}

std::vector<PassedSocket> take_stored(std::vector<PassedSocket>& passed)
{
    const auto stored = std::ranges::stable_partition(passed, [](const PassedSocket& socket) {
        return ::sd_is_socket(socket.fd.get(), AF_UNSPEC, SOCK_STREAM, /*listening=*/1) > 0;
    });
    std::vector<PassedSocket> taken{std::make_move_iterator(stored.begin()), std::make_move_iterator(stored.end())};
    passed.erase(stored.begin(), stored.end());
    return taken;
}

} // namespace belay::signals
