#pragma once
#include "belayd/jobs/scheduler.hpp"
#include "belayd/jobs/store.hpp"
#include "belayd/jobs/store_reader.hpp"
#include "daemon/core.hpp"
#include "http/router.hpp"

#include <chrono>
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
    std::function<std::string()> status = {};                                         ///< the one-line summary
    std::function<daemon::Readiness()> readiness = {};                                ///< of the service
    std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now(); ///< what uptime counts from
};

/**
 * Adds the JSON API to the control socket's router:
 *
 *     GET  /api/v1/status
 *     GET  /api/v1/events   ?hook= &before= &limit=            {"events":[…],"next":ID or null}
 *     GET  /api/v1/events/ID/request                           what came in, credentials left out
 *     GET  /api/v1/jobs     ?state= &hook= &before= &limit=    {"jobs":[…],"next":ID or null}
 *     GET  /api/v1/jobs/ID                                     a job with "attempt_list"
 *     GET  /api/v1/jobs/ID/output   ?attempt=                  404 before the first attempt
 *     POST /api/v1/jobs/ID/retry    409 unless failed or cancelled, and its hook is configured
 *     POST /api/v1/jobs/ID/cancel   409 if it has ended; 202 for a running one, which has to be ended first
 *     POST /api/v1/reload           200 or 422 with the reasons: {"ok":…,"message":…}
 *
 *     status   state, ready, reasons, status, version, pid, uptime_seconds, config_file, state_dir, jobs (number by
 *              state), running (of attempts: job, hook, attempt, started), oldest_ready_age_seconds (by hook)
 *     job      id, event, hook, state, reason, attempts (runs so far), enqueued, run_at, finished;
 *              one alone also: arguments, delivery_id, remote, traceparent, received, body_bytes, attempt_list
 *     attempt  attempt, outcome (null while it runs), started, finished, detail, {stdout,stderr}_{bytes,dropped},
 *              exit_status of `exited`, signal of `signalled`
 *     event    id, hook, delivery_id, remote, received, body_bytes, job
 *     request  hook, method, target, headers ([[name, value], …], in their order), body_base64, remote, received.
 *              method and target are "" where an older belayd has stored the event; of its headers there is
 * Content-Type output   job, attempt, running, stdout, stderr, stdout_dropped, stderr_dropped.  A stream that is not
 * valid UTF-8 (also: cut inside a character) comes whole as stdout_base64 or stderr_base64 instead. retry, cancel   id,
 * state
 *
 * Pages are newest first; `next`, given as `before`, is the next page.  Times are RFC 3339 in UTC with microseconds;
 * what does not apply is null or "".  Errors are RFC 9457 problem documents; 400 names the parameter.
 *
 * Lifetime: `sources` outlives the router; what it points to outlives the requests in flight.
 * Threads: on the admin loop, where `sources` may also be changed.
 */
void add_routes(http::Router& router, const Sources& sources);

} // namespace belay::api
