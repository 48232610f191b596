#pragma once
#include "base/asio.hpp"
#include "belayd/jobs/job.hpp"
#include "daemon/threads.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace belay::jobs {

/** A job as the API shows it. */
struct JobSummary {
    Uuid job;
    Uuid event;
    std::string hook;
    JobState state = JobState::queued;
    std::string reason;
    unsigned attempts = 0; ///< runs so far, uncounted ones included
    Time enqueued;
    Time run_at;
    std::optional<Time> finished;
};

struct AttemptSummary {
    unsigned number = 0;
    Time started;
    std::optional<Time> finished;
    std::optional<Outcome> outcome; ///< nothing while it runs
    int exit_status = 0;
    int signal = 0;
    std::string detail;
    std::uint64_t stdout_bytes = 0; ///< kept
    std::uint64_t stderr_bytes = 0;
    std::uint64_t stdout_dropped = 0;
    std::uint64_t stderr_dropped = 0;
};

struct JobDetail {
    JobSummary summary;
    std::vector<std::string> arguments;
    std::string delivery_id;
    std::string remote;
    std::string traceparent;
    Time received;
    std::uint64_t body_bytes = 0;
    std::vector<AttemptSummary> attempts;
};

struct EventSummary {
    Uuid event;
    std::string hook;
    std::string delivery_id;
    std::string remote;
    Time received;
    std::uint64_t body_bytes = 0;
    std::optional<Uuid> job;
};

/** What came in, as it came but for its credentials. */
struct StoredRequest {
    std::string hook;
    std::string remote;
    Time received;
    std::string method; ///< "" of an event that an older belayd has stored: then there is no target either
    std::string target;
    std::vector<std::pair<std::string, std::string>> fields;
    std::string body;
};

struct AttemptOutput {
    unsigned attempt = 0;
    Captured out;
    Captured err;
};

/** Which rows, newest first; `before` pages on: the last id of the page before. */
struct Page {
    std::optional<JobState> state;
    std::string hook;
    std::optional<Uuid> before;
    std::size_t limit = 50; ///< 1 to 500
};

/**
 * Queries for the API, on the thread "reader" with one read-only connection and short reads, so that they never hold up
 * the store or its checkpoints.
 *
 * Threads: awaited on any executor.
 */
class StoreReader {
public:
    StoreReader(daemon::Threads& threads, std::string path);
    ~StoreReader();
    StoreReader(const StoreReader&) = delete;
    StoreReader& operator=(const StoreReader&) = delete;
    StoreReader(StoreReader&&) = delete;
    StoreReader& operator=(StoreReader&&) = delete;

    [[nodiscard]] asio::awaitable<std::vector<JobSummary>> jobs(Page page);
    [[nodiscard]] asio::awaitable<std::optional<JobDetail>> job(Uuid id);
    [[nodiscard]] asio::awaitable<std::vector<EventSummary>> events(Page page);

    [[nodiscard]] asio::awaitable<std::optional<StoredRequest>> request(Uuid event);

    /** Of a finished attempt; the newest one for attempt 0. */
    [[nodiscard]] asio::awaitable<std::optional<AttemptOutput>> output(Uuid job, unsigned attempt);

    /** By hook, for belay_oldest_ready_age_seconds and the status report. */
    [[nodiscard]] asio::awaitable<std::vector<std::pair<std::string, std::uint64_t>>> queued_by_hook();

    void close() noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace belay::jobs
