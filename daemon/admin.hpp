#pragma once
#include "base/asio.hpp"
#include "daemon/loop_thread.hpp"
#include "daemon/metrics.hpp"
#include "http/router.hpp"
#include "http/server.hpp"

#include <array>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace belay::daemon {

/**
 * The side thread "admin": the admin port and the control socket on one io_context of their own, so that they answer
 * while every other loop is busy or wedged.
 *
 * Lifetime: borrows metrics and the control router; close() must have returned before it is destroyed.
 * Threads: the awaitables are awaited on the main loop and do their work on the admin thread; the probes are called on
 * the admin thread.
 */
class Admin {
public:
    /** What the endpoints answer. */
    struct Probes {
        std::function<http::Response()> healthz;
        std::function<http::Response()> readyz;
        std::function<http::Response()> threads;
    };

    /** Adds /healthz, /readyz, /metrics and /debug/threads to `control_router`. */
    Admin(Threads& threads, Metrics& metrics, http::Router& control_router, const Probes& probes);
    ~Admin();
    Admin(const Admin&) = delete;
    Admin& operator=(const Admin&) = delete;
    Admin(Admin&&) = delete;
    Admin& operator=(Admin&&) = delete;

    [[nodiscard]] asio::io_context& io() noexcept { return thread_.io(); }

    /**
     * Listens on `added`, then lets go of the listeners named in `removed`, whose connections end in peace.
     * @return the passed ones among the latter, see http::Server::remove_listener()
     */
    [[nodiscard]] asio::awaitable<std::vector<http::ListeningSocket>> change_listeners(
        std::vector<http::ListeningSocket> added, std::vector<std::string> removed);

    [[nodiscard]] asio::awaitable<void> open_control(http::ListeningSocket socket);

    /** What both servers hold, for the next image of the daemon. */
    struct Handed {
        http::HandedServer admin;
        http::HandedServer control;
    };

    /** As http::Server::freeze() and resume(), for both servers. */
    [[nodiscard]] asio::awaitable<std::optional<Handed>> freeze(std::chrono::steady_clock::time_point deadline);
    [[nodiscard]] asio::awaitable<void> resume(Handed handed);

    /** Answers what is in flight on the control socket and closes it. */
    [[nodiscard]] asio::awaitable<void> close_control();

    /** From now on the admin port's answers say `Connection: close`.  Thread-safe. */
    void announce_close() { server_.announce_close(); }

    /** Stops accepting on the admin port and lets its peers go, so that nobody who asks there is left without an
     * answer. */
    [[nodiscard]] asio::awaitable<void> finish_port();

    /** Closes the rest, the admin port as above if that has not been done; the thread ends. */
    [[nodiscard]] asio::awaitable<void> close();

    /** Joins the thread, after close(). */
    void stop() { thread_.stop(); }

private:
    [[nodiscard]] http::Server::Options options(
        const char* name, const http::Router& router, const http::Limits& limits = {});
    [[nodiscard]] asio::awaitable<void> add(http::Server& server, std::vector<http::ListeningSocket> sockets);
    [[nodiscard]] asio::awaitable<std::vector<http::ListeningSocket>> change(
        std::vector<http::ListeningSocket> added, std::vector<std::string> removed);
    [[nodiscard]] asio::awaitable<std::optional<Handed>> freeze_both(std::chrono::steady_clock::time_point deadline);
    [[nodiscard]] asio::awaitable<void> resume_both(Handed handed);
    [[nodiscard]] asio::awaitable<void> finish_control();
    [[nodiscard]] asio::awaitable<void> finish_server();
    [[nodiscard]] asio::awaitable<void> finish();

    Metrics& metrics_;
    http::Router router_;
    http::Router& control_router_;
    LoopThread thread_;
    http::Server server_;
    http::Server control_;
    std::array<std::size_t, 2> collectors_;
};

} // namespace belay::daemon
