#pragma once
#include "daemon/metrics.hpp"
#include "http/middleware.hpp"

#include <string>

namespace belay::daemon {

/**
 * belay_http_requests_total{listener,route,code} and belay_http_request_duration_seconds{listener,route}.
 *
 * `route` is the pattern, "" where none matched; `code` the status.  `listener` is the server's name.  No lock and no
 * look-up of labels once a series has been met by a thread.
 *
 * @param server "ingress", "admin" or "control"
 */
[[nodiscard]] http::Middleware http_metrics(Metrics& metrics, std::string server);

/** One record for each request: at debug level below 400, warning from 500 on. */
[[nodiscard]] http::Middleware access_log(std::string server);

} // namespace belay::daemon
