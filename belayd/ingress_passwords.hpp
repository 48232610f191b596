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
    std::vector<std::optional<std::size_t>> files; ///< by hook of the path; none where no hook wants passwords
    PasswordThread::Answer::Outcome outcome{};     ///< other than checked: nobody could look

    /** See hooks::Input::password_file. */
    [[nodiscard]] std::optional<std::size_t> file_for(std::size_t hook) const
    {
        return hook < files.size() ? files[hook] : std::nullopt;
    }
};

/** Whether any of them does: most paths have none, and need not pay for the look-up. */
[[nodiscard]] bool wants_passwords(const std::vector<IngressHook>& hooks) noexcept;

/**
 * Looks up the credentials of a request for each hook of its path that wants some: among those found right lately, else
 * on the thread of passwords.
 */
[[nodiscard]] asio::awaitable<PasswordsFound> find_passwords(PasswordThread& thread,
    const std::vector<IngressHook>& hooks, const http::Request& request, std::chrono::sys_seconds now);

} // namespace belay
