#pragma once
#include "base/asio.hpp"
#include "daemon/admin.hpp"
#include "daemon/core.hpp"
#include "daemon/handover.hpp"
#include "http/server.hpp"
#include "signals/passed_sockets.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::daemon {

/**
 * Where the core listens: the admin port as the configuration wants it, the control socket, and the passed sockets, for
 * the service to take from, too.
 *
 * Lifetime: borrows all it is given.  Threads: confined to the main loop.
 */
class Endpoints {
public:
    /** @param passed those nobody took yet */
    Endpoints(Admin& admin, std::vector<signals::PassedSocket>& passed) : admin_(admin), passed_(passed) {}

    /**
     * Goes on with what the image before this one had, then opens what it had not.
     * @param predecessor what that image left, or null
     * @throws std::system_error if a listener cannot be had; with a predecessor only for the control socket
     */
    [[nodiscard]] asio::awaitable<void> open(const CoreOptions& options, Handover* predecessor);

    /** Makes the admin port listen where `options` say, all or nothing. @throws std::system_error */
    [[nodiscard]] asio::awaitable<void> reconcile(const CoreOptions& options);

    /** See the functions of Core. */
    [[nodiscard]] std::optional<signals::PassedSocket> take_passed_socket(std::string_view name);
    void give_back_passed_socket(http::ListeningSocket socket);
    [[nodiscard]] std::vector<std::string> passed_names() const;

    /** Of the admin port, as in CoreOptions; the reference stays good. */
    [[nodiscard]] const std::vector<std::string>& admin_listeners() const noexcept { return admin_listeners_; }

private:
    Admin& admin_;
    std::vector<signals::PassedSocket>& passed_;
    std::vector<std::string> admin_listeners_;
};

} // namespace belay::daemon
