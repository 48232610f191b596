#include "belayd/jobs/store_tables.hpp"

#include "base/byte_size.hpp"
#include "belayd/jobs/netstrings.hpp"
#include "daemon/log.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <system_error>
#include <utility>

namespace belay::jobs {
namespace {

/** So many delayed jobs of a hook become due in one claim at most: after a long stop it may be every one. */
constexpr int promote_limit = 256;

/** A claim that has more bodies and files than this in memory takes no further job. */
constexpr Bytes claim_bytes = 64_MiB;

JobState state_of(sqlite::Execution& row, int column)
{
    const auto state = parse_job_state(row.bytes(column));
    if (!state)
        throw sqlite::Error{SQLITE_CORRUPT, 0, "unknown job state"};
    return *state;
}

unsigned count_of(sqlite::Execution& row, int column)
{
    return static_cast<unsigned>(row.integer(column));
}

bool may_run_again(JobState state)
{
    return state == JobState::failed || state == JobState::cancelled;
}

Bytes size_of(const ClaimedJob& job)
{
    Bytes bytes = job.body.size();
    for (const auto& [name, text] : job.files)
        bytes += text ? text->size() : 0;
    return bytes;
}

std::uint64_t count_in(const JobCounts::ByState& counts, JobState state)
{
    return counts[static_cast<std::size_t>(state)];
}

} // namespace

StoreTables::StoreTables(
    sqlite::Database database, std::string boot_id, Bytes outside, const std::optional<JobCounts::ByHook>& known)
    : database_(std::move(database)), segments_(database_), outside_(outside), boot_id_(std::move(boot_id)),
      counts_(known ? JobCounts{*known} : JobCounts{}),
      next_body_(database_.integer("SELECT max(id) FROM bodies") + 1), //
      begin_(database_.prepare("BEGIN IMMEDIATE")), commit_(database_.prepare("COMMIT")),
      insert_event_(database_.prepare(
          "INSERT INTO events (id, job, hook, delivery_id, received, remote, traceparent, content_type, arguments,"
          " environment, body, body_bytes, files, request, segment, checksum)"
          " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
          " ON CONFLICT (hook, delivery_id) WHERE delivery_id IS NOT NULL DO NOTHING")),
      insert_body_(database_.prepare("INSERT INTO bodies (id, body) VALUES (?1, ?2)")),
      insert_job_(database_.prepare(
          "INSERT INTO jobs (id, event, hook, state, waiting, attempts, counted, lost, enqueued, run_at, reason)"
          " VALUES (?1, ?2, ?3, 'queued', 0, 0, 0, 0, ?4, ?4, '')")),
      find_delivery_(database_.prepare("SELECT id, job FROM events WHERE hook = ?1 AND delivery_id = ?2")),
      find_body_(database_.prepare("SELECT segment, body, body_bytes, checksum FROM events WHERE id = ?1")),
      move_body_(database_.prepare("UPDATE events SET segment = ?2, body = ?3 WHERE id = ?1")),
      find_job_(database_.prepare("SELECT hook, state, attempts, lost FROM jobs WHERE id = ?1")),
      requeue_(database_.prepare("UPDATE jobs SET state = 'queued', waiting = 0, counted = 0, lost = 0, run_at = ?2,"
                                 " finished = NULL, reason = '' WHERE id = ?1")),
      settle_(database_.prepare("UPDATE jobs SET state = ?2, waiting = ?3, counted = counted + ?4, lost = lost + ?5,"
                                " run_at = coalesce(?6, run_at), finished = ?7, reason = ?8 WHERE id = ?1")),
      end_attempt_(database_.prepare(
          "UPDATE attempts SET started = ?3, finished = ?4, outcome = ?5, exit_status = ?6, signal = ?7, detail = ?8,"
          " stdout_bytes = ?9, stderr_bytes = ?10, stdout_dropped = ?11, stderr_dropped = ?12, output = ?13"
          " WHERE job = ?1 AND number = ?2")),
      lose_attempt_(database_.prepare("UPDATE attempts SET outcome = 'lost', finished = ?3"
                                      " WHERE job = ?1 AND number = ?2 AND outcome IS NULL")),
      insert_output_(database_.prepare("INSERT INTO outputs (stdout, stderr) VALUES (?1, ?2) RETURNING id")),
      next_in_state_(
          database_.prepare("SELECT id FROM jobs INDEXED BY jobs_queue"
                            " WHERE hook = ?1 AND state = ?2 AND waiting = ?3 AND id > ?4 ORDER BY id LIMIT 1")),
      promote_(database_.prepare("UPDATE jobs SET waiting = 0 WHERE id IN (SELECT id FROM jobs INDEXED BY jobs_waiting"
                                 " WHERE waiting = 1 AND hook = ?1 AND run_at <= ?2 ORDER BY run_at LIMIT ?3)")),
      claimed_(database_.prepare(
          "SELECT j.event, j.hook, j.attempts, j.counted, j.enqueued, e.content_type, e.traceparent, e.arguments,"
          " e.environment, e.files, b.body, e.segment, e.body, e.body_bytes, e.checksum"
          " FROM jobs j JOIN events e ON e.id = j.event LEFT JOIN bodies b ON e.segment IS NULL AND b.id = e.body"
          " WHERE j.id = ?1")),
      set_running_(database_.prepare("UPDATE jobs SET state = 'running', attempts = attempts + 1 WHERE id = ?1")),
      insert_attempt_(
          database_.prepare("INSERT INTO attempts (job, number, boot_id, started) VALUES (?1, ?2, ?3, ?4)")),
      first_ready_(database_.prepare("SELECT id, enqueued, run_at FROM jobs INDEXED BY jobs_queue"
                                     " WHERE hook = ?1 AND state = 'queued' AND waiting = 0 ORDER BY id LIMIT 1")),
      first_delayed_(database_.prepare("SELECT run_at, enqueued FROM jobs INDEXED BY jobs_waiting"
                                       " WHERE waiting = 1 AND hook = ?1 ORDER BY run_at LIMIT 1")),
      expired_(database_.prepare("SELECT j.id, j.event, j.hook, j.state, e.segment, e.body, e.body_bytes"
                                 " FROM jobs j INDEXED BY jobs_finished JOIN events e ON e.id = j.event"
                                 " WHERE j.finished IS NOT NULL AND j.finished < ?1 ORDER BY j.finished LIMIT ?2")),
      delete_outputs_(
          database_.prepare("DELETE FROM outputs WHERE id IN (SELECT output FROM attempts WHERE job = ?1)")),
      delete_body_(database_.prepare("DELETE FROM bodies WHERE id = ?1")),
      delete_event_(database_.prepare("DELETE FROM events WHERE id = ?1")),
      delete_job_(database_.prepare("DELETE FROM jobs WHERE id = ?1"))
{
    if (!known)
        count_jobs();
    for (const auto& [hook, counts] : counts_.by_hook())
        heads_.mark_stale(hook);
}

void StoreTables::count_jobs()
{
    auto count = database_.prepare("SELECT hook, state, count(*) FROM jobs INDEXED BY jobs_queue GROUP BY hook, state");
    auto rows = count();
    while (rows.step())
        counts_.add(rows.text(0), state_of(rows, 1), static_cast<std::uint64_t>(rows.integer(2)));
    counts_.commit();
}

void StoreTables::begin()
{
    begin_.run();
}

Committed StoreTables::commit()
{
    segments_.write();
    commit_.run();
    segments_.commit();
    counts_.commit();
    heads_.commit();
    return std::exchange(done_, {});
}

void StoreTables::rollback() noexcept
{
    if (database_.in_transaction())
        (void)::sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
    segments_.rollback();
    counts_.rollback();
    heads_.rollback();
    done_ = {};
}

Acceptance StoreTables::accept(const std::vector<EventRow>& rows)
{
    Acceptance acceptance;
    for (const EventRow& row : rows)
        if (!has_room(row)) {
            acceptance.full = row.content.hook;
            return acceptance;
        }
    for (const EventRow& row : rows)
        acceptance.accepted.push_back(accept(row));
    return acceptance;
}

/** Whether its hook may have one more job queued, or this adds none: a duplicate. */
bool StoreTables::has_room(const EventRow& row)
{
    const auto& content = row.content;
    const auto counts = counts_.by_hook().find(content.hook);
    if (content.max_queued == 0 || counts == counts_.by_hook().end() ||
        count_in(counts->second, JobState::queued) < content.max_queued)
        return true;
    if (!content.delivery_id)
        return false;
    std::optional<Uuid> known;
    if (auto delivery = find_delivery_(content.hook, content.delivery_id); delivery.step())
        known = delivery.uuid(1);
    const auto job = known ? find_job(*known) : std::nullopt;
    return job && !may_run_again(job->state);
}

Accepted StoreTables::accept(const EventRow& row)
{
    const auto& content = row.content;
    std::optional<BodyPlace> outside;
    if (content.body.size() >= outside_)
        outside = segments_.append(content.body);
    const auto segment = outside ? std::optional{outside->segment} : std::nullopt;
    const auto checksum = outside ? std::optional{outside->checksum} : std::nullopt;
    if (insert_event_.run(content.event, content.job, content.hook, content.delivery_id, content.received,
            content.remote, content.traceparent, content.content_type, sqlite::Blob{row.arguments},
            sqlite::Blob{row.environment}, outside ? outside->offset : next_body_,
            static_cast<std::int64_t>(content.body.size()), sqlite::Blob{row.files}, sqlite::Blob{content.request},
            segment, checksum) == 0) {
        const Accepted known = accept_again(row);
        if (outside && (known.duplicate || !mend_body(known.event, *outside)))
            segments_.take_back();
        return known;
    }
    if (!outside)
        insert_body_.run(next_body_++, sqlite::Blob{content.body});
    insert_job_.run(content.job, content.event, content.hook, content.received);
    counts_.add(content.hook, JobState::queued);
    heads_.mark_stale(content.hook);
    done_.queued_hooks.insert(content.hook);
    return {content.event, content.job, JobState::queued, false};
}

Accepted StoreTables::accept_again(const EventRow& row)
{
    Accepted known;
    {
        auto delivery = find_delivery_(row.content.hook, row.content.delivery_id);
        if (!delivery.step())
            throw sqlite::Error{SQLITE_CORRUPT, 0, "a delivery id is in the index only"};
        known.event = delivery.uuid(0);
        known.job = delivery.uuid(1);
    }
    const auto job = find_job(known.job);
    if (!job)
        throw sqlite::Error{SQLITE_CORRUPT, 0, "an event has no job"};
    known.state = job->state;
    known.duplicate = !may_run_again(job->state);
    if (!known.duplicate) {
        requeue(known.job, *job, row.content.received);
        known.state = JobState::queued;
    }
    return known;
}

/** What is delivered again takes the place of the same body where that is damaged. @return whether it was */
bool StoreTables::mend_body(const Uuid& event, const BodyPlace& again)
{
    std::optional<BodyPlace> stored;
    if (auto row = find_body_(event); row.step())
        stored = place_of(row, 0);
    if (!stored || stored->size != again.size || stored->checksum != again.checksum)
        return false;
    try {
        (void)segments_.read(*stored);
        return false;
    } catch (const BodyDamaged& e) {
        log::warning("stored body replaced by the one delivered again", {{"error", e.what()}});
    } catch (const std::system_error&) { // may pass
        return false;
    }
    move_body_.run(event, again.segment, again.offset);
    segments_.remove(*stored);
    return true;
}

std::optional<StoreTables::Job> StoreTables::find_job(const Uuid& id)
{
    auto row = find_job_(id);
    if (!row.step())
        return std::nullopt;
    return Job{row.text(0), state_of(row, 1), count_of(row, 2), count_of(row, 3)};
}

void StoreTables::requeue(const Uuid& id, const Job& was, Time now)
{
    requeue_.run(id, now);
    counts_.move(was.hook, was.state, JobState::queued);
    heads_.mark_stale(was.hook);
    done_.queued_hooks.insert(was.hook);
}

void StoreTables::settle(const Uuid& id, const Job& was, std::optional<Outcome> outcome, const NextStep& next, Time now)
{
    const bool lost = outcome == Outcome::lost;
    const bool counts = outcome && !lost && outcome != Outcome::interrupted;
    const bool ended = has_ended(next.state);
    const auto run_at = ended ? std::optional<Time>{} : next.run_at;
    const auto finished = ended ? std::optional<Time>{now} : std::nullopt;
    settle_.run(id, to_string(next.state), static_cast<int>(!ended && next.run_at > now), static_cast<int>(counts),
        static_cast<int>(lost), run_at, finished, next.reason);
    counts_.move(was.hook, was.state, next.state);
    if (was.state == JobState::queued || !ended)
        heads_.mark_stale(was.hook);
    if (ended)
        done_.ended_jobs.push_back(id);
    else
        done_.queued_hooks.insert(was.hook);
}

std::vector<ClaimedJob> StoreTables::claim(std::size_t limit, HookRoom room, Time now)
{
    look_up_heads();
    promote_due(room, now);
    std::vector<ClaimedJob> claimed;
    Bytes bytes = 0;
    while (claimed.size() < limit && bytes <= claim_bytes) {
        const auto next =
            std::ranges::find_if(heads_.ready(), [&room](const auto& head) { return room.left(head.second) != 0; });
        if (next == heads_.ready().end())
            break;
        const std::string hook{next->second};
        heads_.mark_stale(hook); // if it cannot be claimed, it may not be what it was
        if (auto job = claim_job(next->first, now)) {
            bytes += size_of(*job);
            claimed.push_back(std::move(*job));
            room.take(hook);
        }
        look_up_heads();
    }
    return claimed;
}

void StoreTables::look_up_heads()
{
    try {
        for (const auto& hook : heads_.take_stale())
            heads_.set(hook, look_up(hook));
    } catch (...) {
        heads_.rollback(); // there may be no transaction whose end does
        throw;
    }
}

QueueHeads::Heads StoreTables::look_up(const std::string& hook)
{
    QueueHeads::Heads heads;
    const auto counts = counts_.by_hook().find(hook);
    if (counts == counts_.by_hook().end() || count_in(counts->second, JobState::queued) == 0)
        return heads;
    if (auto row = first_ready_(hook); row.step())
        heads.ready = {row.uuid(0), row.time(1), row.time(2)};
    if (auto row = first_delayed_(hook); row.step())
        heads.delayed = {row.time(0), row.time(1)};
    return heads;
}

void StoreTables::promote_due(const HookRoom& room, Time now)
{
    std::vector<std::string> hooks;
    for (const auto& [due, hook] : heads_.delayed()) {
        if (due > now)
            break;
        if (room.left(hook) != 0)
            hooks.emplace_back(hook);
    }
    for (const auto& hook : hooks) {
        promote_.run(hook, now, promote_limit);
        heads_.set(hook, look_up(hook));
    }
}

std::optional<Uuid> StoreTables::next_in_state(const std::string& hook, JobState state, const Uuid& after, int waiting)
{
    auto row = next_in_state_(hook, to_string(state), waiting, after);
    return row.step() ? std::optional{row.uuid(0)} : std::nullopt;
}

/** Nothing if it cannot be run, ever: it has failed then. */
std::optional<ClaimedJob> StoreTables::claim_job(const Uuid& id, Time now)
{
    try {
        ClaimedJob job = read_claimed(id);
        set_running_.run(id);
        insert_attempt_.run(id, job.attempt, boot_id_, now);
        counts_.move(job.hook, JobState::queued, JobState::running);
        return job;
    } catch (const BodyDamaged& e) {
        log::error("a body is damaged, its job fails", {{"job", to_string(id)}, {"error", e.what()}});
        if (const auto job = find_job(id))
            settle(id, *job, std::nullopt, {JobState::failed, {}, e.what()}, now);
        return std::nullopt;
    }
}

/** @throws BodyDamaged */
ClaimedJob StoreTables::read_claimed(const Uuid& id)
{
    auto row = claimed_(id);
    if (!row.step())
        throw sqlite::Error{SQLITE_CORRUPT, 0, "a job has no event"};
    ClaimedJob job;
    job.job = id;
    job.event = row.uuid(0);
    job.hook = row.text(1);
    job.attempt = count_of(row, 2) + 1;
    job.counted = count_of(row, 3);
    job.enqueued = row.time(4);
    job.content_type = row.text(5);
    job.traceparent = row.text(6);
    job.arguments = split_netstrings(row.bytes(7));
    job.environment = split_netstring_pairs(row.bytes(8));
    job.files = split_files(row.bytes(9));
    const auto outside = place_of(row, 11);
    job.body = outside ? segments_.read(*outside) : row.text(10);
    return job;
}

bool StoreTables::finish(const Uuid& id, unsigned attempt, const AttemptResult& result, const NextStep& next, Time now)
{
    const auto job = find_job(id);
    if (!job || job->state != JobState::running || job->attempts != attempt)
        return false;
    const auto size_of = [](const std::string& text) { return static_cast<std::int64_t>(text.size()); };
    end_attempt_.run(id, attempt, result.started, result.finished, to_string(result.outcome), result.exit_status,
        result.signal, result.detail, size_of(result.out.text), size_of(result.err.text),
        static_cast<std::int64_t>(result.out.dropped), static_cast<std::int64_t>(result.err.dropped),
        keep_output(result));
    settle(id, *job, result.outcome, next, now);
    return true;
}

std::optional<std::int64_t> StoreTables::keep_output(const AttemptResult& result)
{
    if (result.out.text.empty() && result.err.text.empty())
        return std::nullopt;
    auto row = insert_output_(sqlite::Blob{result.out.text}, sqlite::Blob{result.err.text});
    row.step();
    const auto id = row.integer(0);
    row.step(); // to the end: a RETURNING statement is complete only then
    return id;
}

std::vector<Uuid> StoreTables::recover(Time now, const std::set<std::pair<Uuid, unsigned>>& resumed)
{
    std::vector<Uuid> recovered;
    std::vector<std::string> hooks;
    for (const auto& [hook, counts] : counts_.by_hook())
        if (count_in(counts, JobState::running) != 0)
            hooks.push_back(hook);
    for (const auto& hook : hooks)
        for (auto id = next_in_state(hook, JobState::running, Uuid{}); id;
            id = next_in_state(hook, JobState::running, *id)) {
            const auto job = find_job(*id);
            if (job && !resumed.contains({*id, job->attempts}) && lose_attempt(*id, *job, now))
                recovered.push_back(*id);
        }
    return recovered;
}

bool StoreTables::lose_attempt(const Uuid& id, const Job& job, Time now)
{
    if (lose_attempt_.run(id, job.attempts, now) == 0)
        return false;
    NextStep next{JobState::queued, now, ""};
    if (job.lost + 1 >= max_lost_attempts)
        next = {JobState::failed, {}, "the daemon died in " + std::to_string(max_lost_attempts) + " of its attempts"};
    settle(id, job, Outcome::lost, next, now);
    return true;
}

std::optional<JobState> StoreTables::cancel(const Uuid& id, const std::string& reason, Time now)
{
    const auto job = find_job(id);
    if (!job)
        return std::nullopt;
    if (job->state != JobState::queued)
        return job->state;
    settle(id, *job, std::nullopt, {JobState::cancelled, {}, reason}, now);
    return JobState::cancelled;
}

std::optional<JobState> StoreTables::retry(const Uuid& id, Time now)
{
    const auto job = find_job(id);
    if (!job)
        return std::nullopt;
    if (!may_run_again(job->state))
        return job->state;
    requeue(id, *job, now);
    return JobState::queued;
}

std::size_t StoreTables::cancel_orphans(
    const std::set<std::string>& keep, const std::string& reason, std::size_t limit, Time now)
{
    std::vector<std::string> orphaned;
    for (const auto& [hook, counts] : counts_.by_hook())
        if (count_in(counts, JobState::queued) != 0 && !keep.contains(hook))
            orphaned.push_back(hook);
    std::size_t cancelled = 0;
    for (const auto& hook : orphaned)
        for (const int waiting : {0, 1})
            while (cancelled < limit) {
                const auto id = next_in_state(hook, JobState::queued, Uuid{}, waiting);
                if (!id)
                    break;
                (void)cancel(*id, reason, now);
                ++cancelled;
            }
    return cancelled;
}

std::optional<Time> StoreTables::next_due(const HookRoom& room)
{
    look_up_heads();
    for (const auto& [job, hook] : heads_.ready())
        if (room.left(hook) != 0)
            return heads_.by_hook().find(hook)->second.ready->run_at;
    for (const auto& [due, hook] : heads_.delayed())
        if (room.left(hook) != 0)
            return due;
    return std::nullopt;
}

std::map<std::string, Time> StoreTables::oldest_ready(Time now)
{
    look_up_heads();
    std::map<std::string, Time> oldest;
    for (const auto& [hook, heads] : heads_.by_hook()) {
        auto enqueued = Time::max();
        if (heads.ready && heads.ready->run_at <= now)
            enqueued = heads.ready->enqueued;
        if (heads.delayed && heads.delayed->run_at <= now)
            enqueued = std::min(enqueued, heads.delayed->enqueued);
        if (enqueued != Time::max())
            oldest.emplace(hook, enqueued);
    }
    return oldest;
}

std::size_t StoreTables::prune(Time expiry, std::size_t limit)
{
    struct Expired {
        Uuid job;
        Uuid event;
        std::string hook;
        JobState state;
        std::int64_t body;                // of the table bodies,
        std::optional<BodyPlace> outside; // if it is not
    };
    std::vector<Expired> expired;
    {
        auto rows = expired_(expiry, static_cast<std::int64_t>(limit));
        while (rows.step()) {
            expired.push_back({rows.uuid(0), rows.uuid(1), rows.text(2), state_of(rows, 3), rows.integer(5), {}});
            if (!rows.is_null(4))
                expired.back().outside = BodyPlace{rows.integer(4), rows.integer(5), rows.integer(6), 0};
        }
    }
    for (const auto& [job, event, hook, state, body, outside] : expired) {
        delete_outputs_.run(job);
        if (outside)
            segments_.remove(*outside);
        else
            delete_body_.run(body);
        delete_event_.run(event);
        delete_job_.run(job); // and its attempts
        counts_.remove(hook, state);
    }
    return expired.size();
}

} // namespace belay::jobs
