#pragma once
#include "http/middleware.hpp"

#include <string>

namespace belay::daemon {

/**
 * One record for each request: at debug level below 400, info below 500 (a sender's mistake, which its operator asks
 * about), warning from 500 on, with the reason that a problem document gives.  The query is left out, since senders put
 * tokens there.
 *
 * @param server as in http_metrics()
 */
[[nodiscard]] http::Observer access_log(std::string server);

} // namespace belay::daemon
