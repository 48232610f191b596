#pragma once
#include <string>
#include <vector>

namespace belay::daemon {

/** Which sockets there are without opening any. */
struct KnownSockets {
    std::vector<std::string> listeners; ///< names of those that are open now: a passed socket is passed only once
    std::vector<std::string> passed;    ///< names of those that the service manager passed and nobody took yet
};

} // namespace belay::daemon
