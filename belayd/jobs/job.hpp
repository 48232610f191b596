#pragma once
#include "base/uuid.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/**
 * The vocabulary of the queue: the same words in SQL, JSON, metrics and logs.
 *
 *     event  one accepted request          job      the work that an event asks for
 *     attempt  one run of a job            outcome  how an attempt ended
 */
namespace belay::jobs {

using Time = std::chrono::sys_time<std::chrono::microseconds>;

[[nodiscard]] inline Time now()
{
    return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

enum class JobState : std::uint8_t { queued, running, succeeded, failed, cancelled, superseded };
enum class Outcome : std::uint8_t { succeeded, exited, signalled, timed_out, oom, lost, interrupted };

inline constexpr std::size_t job_states = 6;
inline constexpr std::size_t outcomes = 7;

/** Whether nothing more comes of the job by itself. */
[[nodiscard]] constexpr bool has_ended(JobState state) noexcept
{
    return state != JobState::queued && state != JobState::running;
}

[[nodiscard]] std::string_view to_string(JobState state) noexcept;
[[nodiscard]] std::string_view to_string(Outcome outcome) noexcept;
[[nodiscard]] std::optional<JobState> parse_job_state(std::string_view text) noexcept;
[[nodiscard]] std::optional<Outcome> parse_outcome(std::string_view text) noexcept;

/** After this many `lost` attempts a job is failed: it may be what kills the daemon. */
inline constexpr unsigned max_lost_attempts = 3;

/** Files that a command finds by variables: the variable's name, and what is in the file; nothing: the body. */
using JobFiles = std::vector<std::pair<std::string, std::optional<std::string>>>;

/** What ingress hands over. */
struct NewEvent {
    Uuid event = {}; ///< nil: with the next two, made by the store
    Uuid job = {};
    Time received = {};
    std::string hook;
    std::optional<std::string> delivery_id; ///< dedupe key, unique per hook for as long as the row lives
    std::string body;
    std::string content_type;
    std::string remote;      ///< the peer's address
    std::string traceparent; ///< of belay's span
    std::vector<std::string> arguments;
    std::vector<std::pair<std::string, std::string>> environment;
    JobFiles files;
    std::string request;          ///< its head without credentials, as netstrings: method, target, name, value, name, …
    std::uint64_t max_queued = 0; ///< jobs of the hook that may be queued, this one included; 0: no bound
};

/** What became of it. */
struct Accepted {
    Uuid event;
    Uuid job;
    JobState state = JobState::queued; ///< of the job
    bool duplicate = false;            ///< the delivery was known, and its job neither failed nor was cancelled
};

/** A job that the scheduler may now start: its attempt is recorded as running. */
struct ClaimedJob {
    Uuid job;
    Uuid event;
    std::string hook;
    unsigned attempt = 0; ///< 1-based; the fencing token of every later update
    unsigned counted = 0; ///< earlier attempts that count toward `attempts`
    Time enqueued;        ///< first
    std::string body;
    std::string content_type;
    std::string traceparent;
    std::vector<std::string> arguments;
    std::vector<std::pair<std::string, std::string>> environment;
    JobFiles files;
};

/** What one stream of an attempt wrote. */
struct Captured {
    std::string text;          ///< the first bytes, up to the hook's output_limit
    std::uint64_t dropped = 0; ///< exactly how many bytes came after
};

/** How an attempt ended. */
struct AttemptResult {
    Outcome outcome = Outcome::succeeded;
    int exit_status = 0; ///< of `exited`
    int signal = 0;      ///< of `signalled`
    std::string detail;  ///< "cannot execute /x: No such file or directory"; else ""
    Time started;
    Time finished;
    Captured out;
    Captured err;
};

/** What the scheduler decides about the job after an attempt. */
struct NextStep {
    JobState state = JobState::succeeded; ///< queued: run again at run_at
    Time run_at{};
    std::string reason; ///< why failed or cancelled; else ""
};

} // namespace belay::jobs
