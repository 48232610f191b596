#include "belayd/ingress_passwords.hpp"

#include <algorithm>
#include <utility>

namespace belay {
namespace {

using Clock = hooks::PasswordCache::Clock;
using Outcome = PasswordThread::Answer::Outcome;

/** Also who was wrong at some hook of the path, if another knows him: else each of his requests would be hashed there.
 */
void remember(const std::vector<IngressHook>& hooks, const std::vector<std::optional<hooks::Credentials>>& credentials,
    const PasswordsFound& found)
{
    if (std::ranges::none_of(found.files, [](const auto& file) { return file.has_value(); }))
        return;
    for (std::size_t i = 0; i < hooks.size(); ++i)
        if (credentials[i])
            hooks[i].hook.authenticator().passwords()->known().add(*credentials[i], {found.files[i]}, Clock::now());
}

} // namespace

bool wants_passwords(const std::vector<IngressHook>& hooks) noexcept
{
    return std::ranges::any_of(
        hooks, [](const IngressHook& hook) { return hook.hook.authenticator().passwords() != nullptr; });
}

asio::awaitable<PasswordsFound> find_passwords(PasswordThread& thread, const std::vector<IngressHook>& hooks,
    const http::Request& request, std::chrono::sys_seconds now)
{
    PasswordsFound found;
    found.files.resize(hooks.size());
    std::vector<std::optional<hooks::Credentials>> credentials(hooks.size());
    bool hashed = false;
    for (std::size_t i = 0; i < hooks.size(); ++i) {
        const hooks::Authenticator& authenticator = hooks[i].hook.authenticator();
        if (hooks[i].takes_method(request))
            credentials[i] = authenticator.credentials({request, now, request.client});
        if (!credentials[i])
            continue;
        if (const auto known = authenticator.passwords()->known().find(*credentials[i], Clock::now())) {
            found.files[i] = known->file;
            continue;
        }
        PasswordThread::Question question{
            *authenticator.passwords(), *credentials[i], now, request.left_by_predecessor};
        asio::awaitable<PasswordThread::Answer> asking = thread.check(std::move(question));
        const PasswordThread::Answer answer = co_await std::move(asking);
        found.outcome = answer.outcome;
        if (answer.outcome != Outcome::checked)
            co_return found;
        found.files[i] = answer.file;
        hashed = true;
    }
    if (hashed)
        remember(hooks, credentials, found);
    co_return found;
}

} // namespace belay
