#pragma once
#include "belayd/jobs/scheduler.hpp"
#include "belayd/jobs/store.hpp"
#include "belayd/jobs/store_reader.hpp"
#include "daemon/core.hpp"
#include "http/router.hpp"

#include <functional>
#include <string>

namespace belay::api {

/** What the API answers from; borrowed, and null until the service has started: then 503. */
struct Sources {
    daemon::Core* core = nullptr;
    jobs::Store* store = nullptr;
    jobs::StoreReader* reader = nullptr;
    jobs::Scheduler* scheduler = nullptr;
    std::string state_dir;
    std::string config_file;
    std::string version;
    std::function<std::string()> status; ///< the one-line summary
};

/**
 * Adds the JSON API to the control socket's router:
 *
 *     GET  /api/v1/status
 *     GET  /api/v1/events   ?hook= &before= &limit=
 *     GET  /api/v1/jobs     ?state= &hook= &before= &limit=
 *     GET  /api/v1/jobs/ID
 *     GET  /api/v1/jobs/ID/output   ?attempt=     stdout and stderr apart, with the bytes dropped
 *     POST /api/v1/jobs/ID/retry    409 unless failed or cancelled
 *     POST /api/v1/jobs/ID/cancel   409 if it has ended
 *     POST /api/v1/reload           200 or 422 with the reasons
 *
 * Times are RFC 3339 in UTC with microseconds; errors are RFC 9457 problem documents.
 * Lifetime: `sources` outlives the router.  Threads: on the admin loop.
 */
void add_routes(http::Router& router, const Sources& sources);

} // namespace belay::api
