#include "belayd/api/routes.hpp"

#include "belayd/api/documents.hpp"
#include "belayd/api/parameters.hpp"
#include "daemon/probes.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <unistd.h>

#include <chrono>
#include <utility>

namespace belay::api {
namespace {

using Answer = asio::awaitable<http::Response>;

/** One route: `sources` is complete, and stays as it is until the answer is made. */
using Endpoint = Answer (*)(const Sources& sources, const http::Request& request);

http::Response ok(const json::object& document, int status = 200)
{
    return http::json_response(status, json::serialize(document));
}

http::Response not_found()
{
    return http::problem_response(404, "there is no such job; `belay jobs` lists those there are");
}

/** A page under `name`, and where the next one begins. */
template <typename Row>
http::Response page_of(const char* name, const std::vector<Row>& rows, std::size_t limit)
{
    json::array array;
    for (const auto& row : rows)
        array.push_back(to_json(row));
    json::value next;
    if (rows.size() == limit)
        next = array.back().at("id");
    json::object document;
    document[name] = std::move(array);
    document["next"] = std::move(next);
    return ok(document);
}

Answer list_jobs(const Sources& sources, const http::Request& request)
{
    const auto page = parse_page(parse_query(request.query, {"state", "hook", "before", "limit"}));
    const auto rows = co_await sources.reader->jobs(page);
    co_return page_of("jobs", rows, page.limit);
}

Answer list_events(const Sources& sources, const http::Request& request)
{
    const auto page = parse_page(parse_query(request.query, {"hook", "before", "limit"}));
    const auto rows = co_await sources.reader->events(page);
    co_return page_of("events", rows, page.limit);
}

Answer show_request(const Sources& sources, const http::Request& request)
{
    (void)parse_query(request.query, {});
    const auto stored = co_await sources.reader->request(parse_event_id(request));
    if (!stored)
        co_return http::problem_response(404, "there is no such event; GET /api/v1/events lists those there are");
    co_return ok(to_json(*stored));
}

Answer show_job(const Sources& sources, const http::Request& request)
{
    (void)parse_query(request.query, {});
    const auto job = co_await sources.reader->job(parse_job_id(request));
    co_return job ? ok(to_json(*job)) : not_found();
}

Answer show_output(const Sources& sources, const http::Request& request)
{
    const auto attempt = parse_attempt(parse_query(request.query, {"attempt"}));
    const auto id = parse_job_id(request);
    auto live = co_await sources.scheduler->live_output(id);
    if (live && (attempt == 0 || attempt == live->first))
        co_return ok(
            to_json(id, {live->first, std::move(live->second.out), std::move(live->second.err)}, /*running=*/true));
    const auto output = co_await sources.reader->output(id, attempt);
    if (output)
        co_return ok(to_json(id, *output, /*running=*/false));
    const auto job = co_await sources.reader->job(id);
    if (!job)
        co_return not_found();
    co_return http::problem_response(
        404, attempt == 0 ? "no attempt of this job has run yet" : "the job has no output of such an attempt");
}

/** The answer to a change that left the job in `state`. */
http::Response changed(Uuid id, jobs::JobState state, int status)
{
    return ok({{"id", to_string(id)}, {"state", jobs::to_string(state)}}, status);
}

http::Response conflict(std::string_view verb, jobs::JobState state)
{
    return http::problem_response(409, fmt::format("the job cannot be {}: it is {}", verb, jobs::to_string(state)));
}

bool can_be_retried(jobs::JobState state) noexcept
{
    return state == jobs::JobState::failed || state == jobs::JobState::cancelled;
}

bool can_be_cancelled(jobs::JobState state) noexcept
{
    return state == jobs::JobState::queued || state == jobs::JobState::running;
}

Answer retry_job(const Sources& sources, const http::Request& request)
{
    (void)parse_query(request.query, {});
    const auto id = parse_job_id(request);
    const auto before = co_await sources.reader->job(id);
    if (!before)
        co_return not_found();
    if (!can_be_retried(before->summary.state))
        co_return conflict("retried", before->summary.state);
    try {
        const auto state = co_await sources.scheduler->retry(id, before->summary.hook);
        co_return state ? changed(id, *state, 200) : not_found();
    } catch (const jobs::HookIsGone& e) {
        co_return http::problem_response(409, fmt::format("the job cannot be retried: {}", e.what()));
    }
}

Answer cancel_job(const Sources& sources, const http::Request& request)
{
    (void)parse_query(request.query, {});
    const auto id = parse_job_id(request);
    const auto before = co_await sources.reader->job(id);
    if (!before)
        co_return not_found();
    if (!can_be_cancelled(before->summary.state))
        co_return conflict("cancelled", before->summary.state);
    const auto state = co_await sources.scheduler->cancel(id);
    if (!state)
        co_return not_found();
    if (*state == jobs::JobState::running)
        co_return changed(id, *state, 202);
    if (*state != jobs::JobState::cancelled) // it ended meanwhile
        co_return conflict("cancelled", *state);
    co_return changed(id, *state, 200);
}

http::Response response_of(const daemon::ReloadVerdict& verdict)
{
    if (verdict.left_to_successor) {
        http::Response response;
        response.left_to_successor = true;
        return response;
    }
    if (verdict.ok)
        return ok({{"ok", true}, {"message", to_json(verdict.message)}});
    auto response = http::problem_response(422, "nothing was changed, what ran goes on");
    auto document = json::parse(response.body).as_object();
    document["ok"] = false;
    document["message"] = to_json(verdict.message);
    response.body = json::serialize(document);
    return response;
}

Answer reload(const Sources& sources, const http::Request& request)
{
    (void)parse_query(request.query, {});
    daemon::ReloadVerdict verdict;
    if (request.left_by_predecessor)
        verdict = co_await sources.core->verdict_of_predecessor();
    else
        verdict = co_await sources.core->reload();
    co_return response_of(verdict);
}

Answer upgrade(const Sources& sources, const http::Request& request)
{
    (void)parse_query(request.query, {});
    daemon::ReloadVerdict verdict;
    if (request.left_by_predecessor)
        verdict = co_await sources.core->verdict_of_predecessor();
    else
        verdict = co_await sources.core->upgrade();
    co_return response_of(verdict);
}

/** What keeps the daemon from taking work: what /readyz says. */
json::array reasons_of(const Sources& sources)
{
    auto why =
        daemon::readiness(sources.core->state(), sources.core->threads().running(), daemon::Heartbeat::Clock::now());
    if (why.ready() && sources.readiness)
        why = sources.readiness();
    json::array reasons;
    for (const auto& reason : why.reasons)
        reasons.push_back(to_json(reason));
    return reasons;
}

json::object status_document(const Sources& sources, const std::vector<jobs::RunningAttempt>& attempts)
{
    json::array running;
    for (const auto& attempt : attempts)
        running.push_back(to_json(attempt));
    auto reasons = reasons_of(sources);
    json::object document;
    document["state"] = daemon::to_string(sources.core->state());
    document["ready"] = reasons.empty();
    document["reasons"] = std::move(reasons);
    document["status"] = to_json(sources.status ? sources.status() : "");
    document["version"] = sources.version;
    document["pid"] = ::getpid();
    document["uptime_seconds"] =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - sources.started).count();
    document["config_file"] = to_json(sources.config_file);
    document["state_dir"] = to_json(sources.state_dir);
    document["jobs"] = to_json(sources.store->counts());
    document["running"] = std::move(running);
    document["oldest_ready_age_seconds"] = ages(sources.store->oldest_ready(), jobs::now());
    return document;
}

Answer show_status(const Sources& sources, const http::Request& request)
{
    (void)parse_query(request.query, {});
    const auto attempts = co_await sources.scheduler->running();
    co_return ok(status_document(sources, attempts));
}

http::Response unavailable(std::string_view why)
{
    auto response = http::problem_response(503, why);
    response.fields.emplace_back("Retry-After", "1");
    return response;
}

/** @param sources a copy: they may change while the endpoint is suspended */
Answer answer(Endpoint endpoint, Sources sources, const http::Request& request)
{
    if (sources.core == nullptr || sources.store == nullptr || sources.reader == nullptr ||
        sources.scheduler == nullptr)
        co_return unavailable("belayd is starting or stopping");
    try {
        co_return co_await endpoint(sources, request);
    } catch (const ParameterError& e) {
        co_return http::problem_response(400, e.what());
    } catch (const jobs::StoreUnavailable& e) {
        co_return unavailable(e.what());
    }
}

} // namespace

void add_routes(http::Router& router, const Sources& sources)
{
    const auto add = [&router, &sources](const char* method, const char* pattern, Endpoint endpoint) {
        router.add({.method = method,
            .pattern = pattern,
            .handler = [endpoint, &sources](http::Request& request) { return answer(endpoint, sources, request); },
            .admit = {}});
    };
    add("GET", "/api/v1/status", show_status);
    add("GET", "/api/v1/events", list_events);
    add("GET", "/api/v1/events/{id}/request", show_request);
    add("GET", "/api/v1/jobs", list_jobs);
    add("GET", "/api/v1/jobs/{id}", show_job);
    add("GET", "/api/v1/jobs/{id}/output", show_output);
    add("POST", "/api/v1/jobs/{id}/retry", retry_job);
    add("POST", "/api/v1/jobs/{id}/cancel", cancel_job);
    add("POST", "/api/v1/reload", reload);
    add("POST", "/api/v1/upgrade", upgrade);
}

} // namespace belay::api
