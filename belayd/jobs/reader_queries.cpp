#include "belayd/jobs/reader_queries.hpp"

#include "belayd/jobs/body_segments.hpp"
#include "belayd/jobs/netstrings.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <functional>

namespace belay::jobs {
namespace {

constexpr std::size_t page_limit = 500;

/** Above every id. */
constexpr Uuid newest = [] {
    Uuid id;
    id.bytes.fill(0xff);
    return id;
}();

std::size_t limit_of(const Page& page)
{
    return std::clamp<std::size_t>(page.limit, 1, page_limit);
}

std::uint64_t unsigned_of(const sqlite::Execution& row, int column)
{
    return static_cast<std::uint64_t>(row.integer(column));
}

std::optional<Time> optional_time(const sqlite::Execution& row, int column)
{
    return row.is_null(column) ? std::nullopt : std::optional{row.time(column)};
}

std::optional<Outcome> optional_outcome(const sqlite::Execution& row, int column)
{
    return row.is_null(column) ? std::nullopt : parse_outcome(row.bytes(column));
}

} // namespace

ReaderQueries::ReaderQueries(sqlite::Database database)
    : database_(std::move(database)), directory_(segments_directory(::sqlite3_db_filename(database_.handle(), "main"))),
      next_hook_(database_.prepare("SELECT min(hook) FROM jobs INDEXED BY jobs_queue WHERE hook > ?1")),
      newest_jobs_(database_.prepare("SELECT id FROM jobs WHERE id < ?1 ORDER BY id DESC LIMIT ?2")),
      newest_in_state_(database_.prepare(
          "SELECT id FROM jobs INDEXED BY jobs_queue WHERE hook = ?1 AND state = ?2 AND waiting = ?3 AND id < ?4"
          " ORDER BY id DESC LIMIT ?5")),
      summary_(database_.prepare(
          "SELECT id, event, hook, state, reason, attempts, enqueued, run_at, finished FROM jobs WHERE id = ?1")),
      detail_(database_.prepare(
          "SELECT arguments, delivery_id, remote, traceparent, received, body_bytes FROM events WHERE id = ?1")),
      attempts_(database_.prepare(
          "SELECT number, started, finished, outcome, exit_status, signal, detail, stdout_bytes, stderr_bytes,"
          " stdout_dropped, stderr_dropped FROM attempts WHERE job = ?1 ORDER BY number")),
      output_(database_.prepare(
          "SELECT a.number, o.stdout, a.stdout_dropped, o.stderr, a.stderr_dropped FROM attempts a"
          " LEFT JOIN outputs o ON o.id = a.output WHERE a.job = ?1 AND a.number = ?2 AND a.outcome IS NOT NULL")),
      newest_output_(
          database_.prepare("SELECT a.number, o.stdout, a.stdout_dropped, o.stderr, a.stderr_dropped FROM attempts a"
                            " LEFT JOIN outputs o ON o.id = a.output WHERE a.job = ?1 AND a.outcome IS NOT NULL"
                            " ORDER BY a.number DESC LIMIT 1")),
      newest_events_(database_.prepare("SELECT id FROM events WHERE id < ?1 ORDER BY id DESC LIMIT ?2")),
      event_(database_.prepare(
          "SELECT id, hook, delivery_id, remote, received, body_bytes, job FROM events WHERE id = ?1")),
      request_(database_.prepare(
          "SELECT e.hook, e.remote, e.received, e.request, e.content_type, b.body, e.segment, e.body, e.body_bytes,"
          " e.checksum FROM events e LEFT JOIN bodies b ON e.segment IS NULL AND b.id = e.body WHERE e.id = ?1")),
      event_of_job_(database_.prepare("SELECT event FROM jobs WHERE id = ?1")),
      job_of_event_(database_.prepare("SELECT job FROM events WHERE id = ?1")),
      count_queued_(
          database_.prepare("SELECT count(*), max(id) FROM (SELECT id FROM jobs INDEXED BY jobs_queue"
                            " WHERE hook = ?1 AND state = 'queued' AND waiting = ?2 AND id > ?3 ORDER BY id LIMIT ?4)"))
{
}

std::vector<JobSummary> ReaderQueries::jobs(const Page& page)
{
    std::vector<JobSummary> found;
    for (const auto& id : job_ids(page))
        if (auto job = summary(id)) // not pruned meanwhile
            found.push_back(std::move(*job));
    return found;
}

std::vector<Uuid> ReaderQueries::job_ids(const Page& page)
{
    const auto limit = limit_of(page);
    std::vector<Uuid> ids;
    if (page.hook.empty() && !page.state) {
        const Uuid before = page.before.value_or(newest);
        auto rows = newest_jobs_(before, static_cast<std::int64_t>(limit));
        while (rows.step())
            ids.push_back(rows.uuid(0));
        return ids;
    }
    // One index (hook, state, waiting, id) serves every filter: the newest of each part, merged.
    for (const auto& hook : page.hook.empty() ? hooks() : std::vector{page.hook})
        for (std::size_t state = 0; state < job_states; ++state)
            if (!page.state || *page.state == static_cast<JobState>(state))
                append_ids(hook, static_cast<JobState>(state), page, ids);
    std::sort(ids.begin(), ids.end(), std::greater<>{});
    ids.resize(std::min(ids.size(), limit));
    return ids;
}

void ReaderQueries::append_ids(const std::string& hook, JobState state, const Page& page, std::vector<Uuid>& ids)
{
    const Uuid before = page.before.value_or(newest);
    for (const int waiting : {0, 1}) {
        if (waiting == 1 && state != JobState::queued)
            continue;
        auto rows =
            newest_in_state_(hook, to_string(state), waiting, before, static_cast<std::int64_t>(limit_of(page)));
        while (rows.step())
            ids.push_back(rows.uuid(0));
    }
}

std::vector<std::string> ReaderQueries::hooks()
{
    std::vector<std::string> found;
    for (std::string last;;) {
        auto row = next_hook_(last);
        if (!row.step() || row.is_null(0))
            return found;
        found.push_back(row.text(0));
        last = found.back();
    }
}

std::optional<JobSummary> ReaderQueries::summary(const Uuid& id)
{
    auto row = summary_(id);
    if (!row.step())
        return std::nullopt;
    JobSummary job;
    job.job = row.uuid(0);
    job.event = row.uuid(1);
    job.hook = row.text(2);
    job.state = parse_job_state(row.bytes(3)).value_or(JobState::queued);
    job.reason = row.text(4);
    job.attempts = static_cast<unsigned>(row.integer(5));
    job.enqueued = row.time(6);
    job.run_at = row.time(7);
    job.finished = optional_time(row, 8);
    return job;
}

std::optional<JobDetail> ReaderQueries::job(const Uuid& id)
{
    auto known = summary(id);
    if (!known)
        return std::nullopt;
    JobDetail job;
    job.summary = std::move(*known);
    job.attempts = attempts(id);
    auto row = detail_(job.summary.event);
    if (!row.step())
        return std::nullopt;
    job.arguments = split_netstrings(row.bytes(0));
    job.delivery_id = row.text(1);
    job.remote = row.text(2);
    job.traceparent = row.text(3);
    job.received = row.time(4);
    job.body_bytes = unsigned_of(row, 5);
    return job;
}

std::vector<AttemptSummary> ReaderQueries::attempts(const Uuid& job)
{
    std::vector<AttemptSummary> found;
    auto row = attempts_(job);
    while (row.step()) {
        AttemptSummary attempt;
        attempt.number = static_cast<unsigned>(row.integer(0));
        attempt.started = row.time(1);
        attempt.finished = optional_time(row, 2);
        attempt.outcome = optional_outcome(row, 3);
        attempt.exit_status = static_cast<int>(row.integer(4));
        attempt.signal = static_cast<int>(row.integer(5));
        attempt.detail = row.text(6);
        attempt.stdout_bytes = unsigned_of(row, 7);
        attempt.stderr_bytes = unsigned_of(row, 8);
        attempt.stdout_dropped = unsigned_of(row, 9);
        attempt.stderr_dropped = unsigned_of(row, 10);
        found.push_back(std::move(attempt));
    }
    return found;
}

std::optional<AttemptOutput> ReaderQueries::output(const Uuid& job, unsigned attempt)
{
    auto row = attempt == 0 ? newest_output_(job) : output_(job, attempt);
    if (!row.step())
        return std::nullopt;
    AttemptOutput output;
    output.attempt = static_cast<unsigned>(row.integer(0));
    output.out = {row.text(1), unsigned_of(row, 2)};
    output.err = {row.text(3), unsigned_of(row, 4)};
    return output;
}

std::vector<EventSummary> ReaderQueries::events(const Page& page)
{
    std::vector<Uuid> ids;
    if (page.hook.empty() && !page.state) {
        const Uuid before = page.before.value_or(newest);
        auto rows = newest_events_(before, static_cast<std::int64_t>(limit_of(page)));
        while (rows.step())
            ids.push_back(rows.uuid(0));
    } else {
        // The jobs know hook and state; an event's job was made right after it.
        Page of_jobs = page;
        if (page.before)
            if (auto row = job_of_event_(*page.before); row.step())
                of_jobs.before = row.uuid(0);
        for (const auto& job : job_ids(of_jobs))
            if (auto row = event_of_job_(job); row.step())
                ids.push_back(row.uuid(0));
    }
    std::vector<EventSummary> found;
    for (const auto& id : ids)
        if (auto known = event(id))
            found.push_back(std::move(*known));
    return found;
}

std::optional<EventSummary> ReaderQueries::event(const Uuid& id)
{
    auto row = event_(id);
    if (!row.step())
        return std::nullopt;
    EventSummary event;
    event.event = row.uuid(0);
    event.hook = row.text(1);
    event.delivery_id = row.text(2);
    event.remote = row.text(3);
    event.received = row.time(4);
    event.body_bytes = unsigned_of(row, 5);
    event.job = row.uuid(6);
    return event;
}

std::optional<StoredRequest> ReaderQueries::request(const Uuid& event)
{
    try {
        return read_request(event);
    } catch (const BodyDamaged&) {
        if (auto row = event_(event); row.step())
            throw;
        return std::nullopt; // deleted meanwhile, and its body with it
    }
}

std::optional<StoredRequest> ReaderQueries::read_request(const Uuid& event)
{
    auto row = request_(event);
    if (!row.step())
        return std::nullopt;
    StoredRequest request;
    request.hook = row.text(0);
    request.remote = row.text(1);
    request.received = row.time(2);
    const auto outside = place_of(row, 6);
    request.body = outside ? read_body(directory_, *outside) : row.text(5);
    auto head = split_netstrings(row.bytes(3));
    if (head.size() < 2) { // of version 1
        if (auto content_type = row.text(4); !content_type.empty())
            request.fields.emplace_back("Content-Type", std::move(content_type));
        return request;
    }
    request.method = std::move(head[0]);
    request.target = std::move(head[1]);
    for (std::size_t i = 2; i + 1 < head.size(); i += 2)
        request.fields.emplace_back(std::move(head[i]), std::move(head[i + 1]));
    return request;
}

std::vector<std::pair<std::string, std::uint64_t>> ReaderQueries::queued_by_hook()
{
    std::vector<std::pair<std::string, std::uint64_t>> found;
    for (auto& hook : hooks()) {
        const auto queued = count_queued(hook, 0) + count_queued(hook, 1);
        if (queued != 0)
            found.emplace_back(std::move(hook), queued);
    }
    return found;
}

std::uint64_t ReaderQueries::count_queued(const std::string& hook, int waiting)
{
    constexpr std::int64_t step = 10'000; // a read of a millisecond, which holds no checkpoint up
    std::uint64_t total = 0;
    for (Uuid last;;) {
        auto row = count_queued_(hook, waiting, last, step);
        row.step();
        total += unsigned_of(row, 0);
        if (row.integer(0) < step)
            return total;
        last = row.uuid(1);
    }
}

} // namespace belay::jobs
