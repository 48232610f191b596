#pragma once
#include "base/asio.hpp"
#include "belayd/hooks/hook_table.hpp"
#include "belayd/jobs/store.hpp"
#include "daemon/metrics.hpp"
#include "http/middleware.hpp"
#include "http/router.hpp"

#include <memory>
#include <vector>

namespace belay {

/**
 * POST /hooks/NAME: authenticates a request, extracts what its job needs, stores it, answers 202 after the sync.
 *
 * Each http loop has a hook table of its own, replaced on that loop by a reload: the request path takes no lock.
 *
 * Lifetime: borrows loops, store and metrics; outlives the server that routes to it.
 * Threads: the handlers run on the http loops; replace() is awaited on any other executor.
 */
class Ingress {
public:
    Ingress(std::vector<asio::io_context*> loops, jobs::Store& store, daemon::Metrics& metrics,
        std::shared_ptr<const hooks::HookTable> hooks);
    ~Ingress();
    Ingress(const Ingress&) = delete;
    Ingress& operator=(const Ingress&) = delete;
    Ingress(Ingress&&) = delete;
    Ingress& operator=(Ingress&&) = delete;

    void add_routes(http::Router& router);

    /** Counts what is refused before a hook could judge it: method, length, deadline, no room. */
    [[nodiscard]] http::Middleware count_rejections();

    /** Returns when every loop judges new requests by `hooks`. */
    [[nodiscard]] asio::awaitable<void> replace(std::shared_ptr<const hooks::HookTable> hooks);

private:
    struct Table;

    [[nodiscard]] std::shared_ptr<const Table> make_table(std::shared_ptr<const hooks::HookTable> hooks) const;
    [[nodiscard]] static asio::awaitable<void> set_table(
        std::shared_ptr<const Table>& slot, std::shared_ptr<const Table> table);
    [[nodiscard]] http::Admission admit(const http::Request& head) const;
    [[nodiscard]] asio::awaitable<http::Response> receive(http::Request& request) const;

    std::vector<asio::io_context*> loops_;
    jobs::Store& store_;
    prometheus::Family<prometheus::Counter>& events_;
    prometheus::Family<prometheus::Counter>& signatures_;
    std::vector<std::shared_ptr<const Table>> tables_; // by loop; each is touched on its loop only
};

} // namespace belay
