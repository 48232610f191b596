#pragma once
#include "base/asio.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::daemon {

/** What the executable prints if it can: exit status 0 alone would also come from one that does not know the question.
 */
inline constexpr std::string_view can_take_over = "can take over";

/**
 * Runs a new executable to ask whether it can take over.
 *
 * It runs in a session of its own, without our descriptors and signals, and without the variables by which it could
 * speak to the service manager or take its sockets.  Whatever it leaves running in its group is killed.
 *
 * Cancelling it kills the executable.
 *
 * Threads: the awaiting loop is blocked until the executable runs (vfork), then no more.  What a subreaper's main
 * thread has for children may be taken for adopted orphans (jobs::AdoptedChildren): there, await it on another loop.
 *
 * @param arguments those after the executable's own name
 * @return nothing if it can; else why not, on one line: what it printed, or else how it ended
 */
[[nodiscard]] asio::awaitable<std::optional<std::string>> ask_successor(
    std::string path, std::vector<std::string> arguments, std::chrono::milliseconds patience);

} // namespace belay::daemon
