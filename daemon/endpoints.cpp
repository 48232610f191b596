#include "daemon/endpoints.hpp"

#include "daemon/heartbeat.hpp"
#include "daemon/log.hpp"
#include "daemon/upgrade.hpp"

#include <grp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace belay::daemon {
namespace {

void give_to_group(const std::string& path, const std::string& group)
{
    ::group entry{};
    ::group* found = nullptr;
    std::array<char, 16384> buffer{}; // getgrnam_r(3): the members of a group take room
    if (group.empty() || ::getgrnam_r(group.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
        found == nullptr)
        return;
    if (::lchown(path.c_str(), static_cast<uid_t>(-1), entry.gr_gid) != 0)
        log::warning("cannot give the control socket to its group, ignoring",
            {{"path", path}, {"group", group}, {"error", std::system_category().message(errno)}});
}

/** Waits for the address of a host that `spec` names. @throws std::system_error */
http::ListeningSocket open_socket(const std::string& spec)
{
    const Heartbeat::DiskWait wait;
    return http::open_listening_socket(spec);
}

/** "admin" of "fd:admin"; nothing for a listener of our own. */
std::optional<std::string_view> passed_name(std::string_view spec)
{
    constexpr std::string_view prefix = "fd:";
    return spec.starts_with(prefix) ? std::optional{spec.substr(prefix.size())} : std::nullopt;
}

} // namespace

asio::awaitable<void> Endpoints::open(const CoreOptions& options, Handover* predecessor)
{
    bool has_control = false;
    if (predecessor != nullptr) {
        Admin::Handed handed = handed_admin(*predecessor);
        for (const auto& listener : handed.admin.listeners)
            admin_listeners_.push_back(listener.name);
        has_control = !handed.control.listeners.empty();
        co_await admin_.resume(std::move(handed));
    }
    try {
        co_await reconcile(options);
    } catch (const std::system_error& e) {
        if (predecessor == nullptr)
            throw;
        log::error("cannot listen, going on with what there is", {{"error", e.what()}}); // jobs live on: do not exit
    }
    if (options.control_socket.empty() || has_control)
        co_return;
    auto socket = http::open_listening_socket("unix:" + options.control_socket);
    give_to_group(options.control_socket, options.control_group);
    co_await admin_.open_control(std::move(socket));
}

std::optional<signals::PassedSocket> Endpoints::take_passed_socket(std::string_view name)
{
    const auto found = std::ranges::find(passed_, name, &signals::PassedSocket::name);
    if (found == passed_.end())
        return std::nullopt;
    auto socket = std::move(*found);
    passed_.erase(found);
    return socket;
}

void Endpoints::give_back_passed_socket(http::ListeningSocket socket)
{
    const std::string name{passed_name(socket.name).value()};
    log::warning("nobody accepts on a passed socket", {{"name", name}});
    passed_.push_back({name, std::move(socket.fd)});
}

std::vector<std::string> Endpoints::passed_names() const
{
    std::vector<std::string> names;
    for (const signals::PassedSocket& socket : passed_)
        names.push_back(socket.name);
    return names;
}

asio::awaitable<void> Endpoints::reconcile(const CoreOptions& options)
{
    std::vector<std::string> wanted = admin_specs(options, {admin_listeners_, passed_names()});
    std::vector<std::string> added;
    std::vector<http::ListeningSocket> sockets; // all of them open before anything changes
    for (const auto& spec : wanted)
        if (std::ranges::find(admin_listeners_, spec) == admin_listeners_.end())
            added.push_back(spec);
    for (const auto& spec : added)
        if (const auto name = passed_name(spec); !name)
            sockets.push_back(open_socket(spec));
        else if (std::ranges::find(passed_, *name, &signals::PassedSocket::name) == passed_.end())
            throw std::system_error{ENOENT, std::system_category(), "no socket was passed for " + spec};
    for (const auto& spec : added)
        if (const auto name = passed_name(spec))
            while (std::optional<signals::PassedSocket> socket = take_passed_socket(*name))
                sockets.push_back({spec, std::move(socket->fd), /*passed=*/true, {}});
    std::vector<std::string> removed;
    for (const auto& spec : admin_listeners_)
        if (std::ranges::find(wanted, spec) == wanted.end())
            removed.push_back(spec);
    admin_listeners_ = std::move(wanted);
    auto given_back = co_await admin_.change_listeners(std::move(sockets), std::move(removed));
    for (http::ListeningSocket& socket : given_back)
        give_back_passed_socket(std::move(socket));
}

} // namespace belay::daemon
