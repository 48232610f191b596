#pragma once
#include "base/asio.hpp"
#include "belayd/ingress_hooks.hpp"
#include "belayd/password_thread.hpp"
#include "http/request.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

namespace belay {

/** What was found of a request's credentials. */
struct PasswordsFound {
    std::vector<std::optional<std::size_t>> files; ///< by hook of the path, see hooks::Input::password_file
    PasswordThread::Answer::Outcome outcome{};     ///< other than checked: nobody could look
};

/**
 * Looks up the credentials of a request for each hook of its path that wants some: among those found right lately, else
 * on the thread of passwords.  For hooks that want none it does nothing.
 */
[[nodiscard]] asio::awaitable<PasswordsFound> find_passwords(PasswordThread& thread,
    const std::vector<IngressHook>& hooks, const http::Request& request, std::chrono::sys_seconds now);

} // namespace belay
