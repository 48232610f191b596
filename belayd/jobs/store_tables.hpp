#pragma once
#include "belayd/jobs/body_segments.hpp"
#include "belayd/jobs/hook_room.hpp"
#include "belayd/jobs/job.hpp"
#include "belayd/jobs/job_counts.hpp"
#include "belayd/jobs/queue_heads.hpp"
#include "belayd/jobs/sqlite.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace belay::jobs {

/** A NewEvent as it is stored, with ids and time: they are made by the caller, so that the store's thread need not. */
struct EventRow {
    NewEvent content;
    std::string arguments;   ///< netstrings
    std::string environment; ///< netstrings
    std::string files;       ///< as join_files() writes them
};

/** What a transaction did that others wait for. */
struct Committed {
    std::set<std::string> queued_hooks; ///< hooks of the jobs that were queued
    std::vector<Uuid> ended_jobs;
};

/** What became of events that come together. */
struct Acceptance {
    std::vector<Accepted> accepted;
    std::string full; ///< a hook that has as many jobs queued as it may: nothing was stored
};

/**
 * The tables of the store as operations of the queue.  Synchronous; each runs inside a transaction that the caller has
 * begun, except open().
 *
 * Every operation is an index walk that touches as many rows as it returns or changes, whatever the tables hold.
 *
 * Confined to one thread at a time.  All throw sqlite::Error; after one the transaction may be gone: rollback().
 */
class StoreTables {
public:
    /** Takes over an open database, and counts what is in it where that is not known: it takes a look at each job.
     *  @param outside the size from which on bodies are kept in files */
    StoreTables(sqlite::Database database, std::string boot_id, Bytes outside,
        const std::optional<JobCounts::ByHook>& known = {});

    void begin();
    /** The sync. @return what was done since begin() */
    [[nodiscard]] Committed commit();
    void rollback() noexcept; ///< also where SQLite already has

    /** Records running attempts as lost, except `resumed`; their jobs are requeued, or failed after max_lost_attempts.
     */
    [[nodiscard]] std::vector<Uuid> recover(Time now, const std::set<std::pair<Uuid, unsigned>>& resumed);

    /** All or none.  No two of the same hook. */
    [[nodiscard]] Acceptance accept(const std::vector<EventRow>& rows);
    [[nodiscard]] std::vector<ClaimedJob> claim(std::size_t limit, HookRoom room, Time now);
    [[nodiscard]] bool finish(
        const Uuid& job, unsigned attempt, const AttemptResult& result, const NextStep& next, Time now);
    [[nodiscard]] std::optional<JobState> cancel(const Uuid& job, const std::string& reason, Time now);
    [[nodiscard]] std::optional<JobState> retry(const Uuid& job, Time now);

    /** Cancels up to `limit` queued jobs of hooks that `keep` does not have. @return how many */
    [[nodiscard]] std::size_t cancel_orphans(
        const std::set<std::string>& keep, const std::string& reason, std::size_t limit, Time now);

    [[nodiscard]] std::optional<Time> next_due(const HookRoom& room);

    /** Deletes up to `limit` jobs finished before `expiry`, with all that belongs to them. @return how many */
    [[nodiscard]] std::size_t prune(Time expiry, std::size_t limit);

    /** First enqueue of the oldest due job, by hook. */
    [[nodiscard]] std::map<std::string, Time> oldest_ready(Time now);

    [[nodiscard]] const JobCounts& counts() const noexcept { return counts_; }

    [[nodiscard]] sqlite::Database& database() noexcept { return database_; }

private:
    struct Job {
        std::string hook;
        JobState state;
        unsigned attempts;
        unsigned lost;
    };

    void count_jobs();
    [[nodiscard]] std::optional<Job> find_job(const Uuid& id);
    [[nodiscard]] bool has_room(const EventRow& row);
    [[nodiscard]] Accepted accept(const EventRow& row);
    [[nodiscard]] Accepted accept_again(const EventRow& row);
    [[nodiscard]] bool mend_body(const Uuid& event, const BodyPlace& again);
    [[nodiscard]] std::optional<Uuid> next_in_state(
        const std::string& hook, JobState state, const Uuid& after, int waiting = 0);
    void look_up_heads();
    [[nodiscard]] QueueHeads::Heads look_up(const std::string& hook);
    void promote_due(const HookRoom& room, Time now);
    [[nodiscard]] std::optional<ClaimedJob> claim_job(const Uuid& id, Time now);
    [[nodiscard]] ClaimedJob read_claimed(const Uuid& id);
    [[nodiscard]] std::optional<std::int64_t> keep_output(const AttemptResult& result);
    [[nodiscard]] bool lose_attempt(const Uuid& id, const Job& job, Time now);

    /** Queues a job anew: its attempts count from zero again. */
    void requeue(const Uuid& id, const Job& was, Time now);

    /** What becomes of a job after an attempt with that outcome, or without one. */
    void settle(const Uuid& id, const Job& was, std::optional<Outcome> outcome, const NextStep& next, Time now);

    sqlite::Database database_;
    BodySegments segments_;
    const Bytes outside_;
    const std::string boot_id_;
    JobCounts counts_;
    QueueHeads heads_;
    Committed done_; // since begin()
    std::int64_t next_body_;

    sqlite::Statement begin_, commit_;
    sqlite::Statement insert_event_, insert_body_, insert_job_, find_delivery_, find_body_, move_body_;
    sqlite::Statement find_job_, requeue_, settle_, end_attempt_, lose_attempt_, insert_output_;
    sqlite::Statement next_in_state_, promote_, claimed_, set_running_, insert_attempt_;
    sqlite::Statement first_ready_, first_delayed_;
    sqlite::Statement expired_, delete_outputs_, delete_body_, delete_event_, delete_job_;
};

} // namespace belay::jobs
