#include "belayd/ingress_passwords.hpp"

namespace belay {

asio::awaitable<PasswordsFound> find_passwords(PasswordThread& thread, const std::vector<IngressHook>& hooks,
    const http::Request& request, std::chrono::sys_seconds now)
{
    PasswordsFound found;
    found.files.resize(hooks.size());
    for (std::size_t i = 0; i < hooks.size(); ++i) {
        const hooks::Authenticator& authenticator = hooks[i].hook.authenticator();
        const auto credentials = authenticator.credentials({request, now, request.client});
        if (!credentials)
            continue;
        const hooks::Passwords& passwords = *authenticator.passwords();
        found.files[i] = passwords.find_known(*credentials);
        if (found.files[i])
            continue;
        const PasswordThread::Answer answer = co_await thread.check(passwords, *credentials, now);
        if (answer.outcome != PasswordThread::Answer::Outcome::checked) {
            found.outcome = answer.outcome;
            break;
        }
        found.files[i] = answer.file;
    }
    co_return found;
}

} // namespace belay
