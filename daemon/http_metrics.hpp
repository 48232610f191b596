#pragma once
#include "daemon/access_log.hpp" // IWYU pragma: export
#include "daemon/metrics.hpp"
#include "http/middleware.hpp"
#include "http/server.hpp"

#include <string>

namespace belay::daemon {

/**
 * belay_http_requests_total{listener,route,code} and belay_http_request_duration_seconds{listener,route}.
 *
 * `route` is the pattern, "" where none matched; `code` the status.  `listener` is the server's name.  Nothing of a
 * request makes a series: not its path, not its method.  No lock once a route has been met.
 *
 * Call it once for each server: its counts live as long as `metrics`.
 * @param server "ingress", "admin" or "control"
 */
[[nodiscard]] http::Observer http_metrics(Metrics& metrics, std::string server);

/** belay_connections{server,state} and belay_connections_refused_total{server,reason} of `server`, which must outlive
 * the collector. */
[[nodiscard]] Metrics::Collector connection_metrics(const http::Server& server, std::string name);

} // namespace belay::daemon
