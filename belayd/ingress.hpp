#pragma once
#include "base/asio.hpp"
#include "belayd/hooks/hook_table.hpp"
#include "belayd/hooks/rate_limiter.hpp"
#include "belayd/ingress_hooks.hpp"
#include "belayd/job_ends.hpp"
#include "belayd/jobs/store.hpp"
#include "belayd/password_thread.hpp"
#include "daemon/metrics.hpp"
#include "http/client_address.hpp"
#include "http/middleware.hpp"
#include "http/router.hpp"

#include <memory>
#include <vector>

namespace belay {

struct Opinions;

/**
 * POST /hooks/PATH: asks each hook of that path, whether the request is authentic, whether it wants it and what its job
 * needs; stores the events of those that do in one transaction, and answers 202 after its sync, or waits for the jobs'
 * end.
 *
 * Each http loop has a hook table of its own, replaced on that loop by a reload: the request path takes no lock.
 *
 * Lifetime: borrows loops, store, limiter and metrics; outlives the server that routes to it.
 * Threads: the handlers run on the http loops; replace() is awaited on any other executor.
 */
class Ingress {
public:
    /** What it works with.  Borrowed. */
    struct Parts {
        std::vector<asio::io_context*> loops;
        jobs::Store& store;
        JobEnds ends;
        hooks::RateLimiter& limiter;
        PasswordThread& passwords;
        daemon::Metrics& metrics;
    };

    Ingress(Parts parts, std::shared_ptr<const hooks::HookTable> hooks, http::TrustedProxies proxies);
    ~Ingress() = default;
    Ingress(const Ingress&) = delete;
    Ingress& operator=(const Ingress&) = delete;
    Ingress(Ingress&&) = delete;
    Ingress& operator=(Ingress&&) = delete;

    void add_routes(http::Router& router);

    /** Fills in http::Request::client. */
    void name_client(http::Request& request) const;

    /** Counts what is refused before a hook could judge it: method, length, deadline, no room. */
    void count_rejection(const http::Request& request) const;

    /** Returns when every loop judges new requests by `hooks`, and believes these proxies. */
    [[nodiscard]] asio::awaitable<void> replace(
        std::shared_ptr<const hooks::HookTable> hooks, http::TrustedProxies proxies);

private:
    using Table = std::shared_ptr<const IngressHooks>;

    [[nodiscard]] static asio::awaitable<void> set_table(Table& slot, Table table);
    [[nodiscard]] http::Admission admit(const http::Request& head) const;
    [[nodiscard]] asio::awaitable<http::Response> receive(http::Request& request) const;
    [[nodiscard]] asio::awaitable<http::Response> answer_accepted(
        http::Request& request, const Opinions& opinions, const std::vector<jobs::Accepted>& accepted) const;
    void start_passwords(const hooks::HookTable& hooks) const;

    const Parts parts_;
    const IngressMetrics metrics_;
    std::vector<Table> tables_; // by loop; each is touched on its loop only
};

} // namespace belay
