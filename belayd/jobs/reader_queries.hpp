#pragma once
#include "belayd/jobs/sqlite.hpp"
#include "belayd/jobs/store_reader.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace belay::jobs {

/**
 * What the API asks of the tables, newest first.  Each statement is a walk along an index that ends after `limit` rows,
 * and a read transaction of its own, so that none holds the log up.
 *
 * Confined to one thread.  All throw sqlite::Error; request() also BodyDamaged.
 */
class ReaderQueries {
public:
    explicit ReaderQueries(sqlite::Database database);

    [[nodiscard]] std::vector<JobSummary> jobs(const Page& page);
    [[nodiscard]] std::optional<JobDetail> job(const Uuid& id);
    [[nodiscard]] std::vector<EventSummary> events(const Page& page);
    [[nodiscard]] std::optional<StoredRequest> request(const Uuid& event);
    [[nodiscard]] std::optional<AttemptOutput> output(const Uuid& job, unsigned attempt);
    [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> queued_by_hook();

private:
    [[nodiscard]] std::optional<StoredRequest> read_request(const Uuid& event);
    [[nodiscard]] std::vector<std::string> hooks();
    [[nodiscard]] std::vector<Uuid> job_ids(const Page& page);
    void append_ids(const std::string& hook, JobState state, const Page& page, std::vector<Uuid>& ids);
    [[nodiscard]] std::optional<JobSummary> summary(const Uuid& id);
    [[nodiscard]] std::optional<EventSummary> event(const Uuid& id);
    [[nodiscard]] std::vector<AttemptSummary> attempts(const Uuid& job);
    [[nodiscard]] std::uint64_t count_queued(const std::string& hook, int waiting);

    sqlite::Database database_;
    const std::string directory_; // of the segments
    sqlite::Statement next_hook_, newest_jobs_, newest_in_state_;
    sqlite::Statement summary_, detail_, attempts_, output_, newest_output_;
    sqlite::Statement newest_events_, event_, request_, event_of_job_, job_of_event_, count_queued_;
};

} // namespace belay::jobs
