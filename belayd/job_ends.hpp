#pragma once
#include "belayd/jobs/job_waits.hpp"
#include "belayd/jobs/store_reader.hpp"
#include "http/request.hpp"

#include <optional>
#include <vector>

namespace belay {

/** How a job ended, with its last attempt where there was one. */
struct JobEnd {
    jobs::JobSummary job;
    std::optional<jobs::AttemptSummary> attempt;
    jobs::AttemptOutput output; ///< of that
};

/** Waits for jobs to end on behalf of a request.  Borrows reader and waits; thread-safe. */
class JobEnds {
public:
    using Clock = jobs::JobWaits::Clock;

    JobEnds(jobs::StoreReader& reader, jobs::JobWaits& waits) noexcept : reader_(reader), waits_(waits) {}

    /**
     * Returns when all of them have ended, or earlier: at the deadline, when the caller has left, when nobody is to
     * wait any more or too many do.  Gives the request's body back first.
     * @return one for each job; nothing where it has not ended
     */
    [[nodiscard]] asio::awaitable<std::vector<std::optional<JobEnd>>> wait(
        std::vector<Uuid> jobs, Clock::time_point deadline, http::Request& request) const;

private:
    [[nodiscard]] asio::awaitable<bool> look(
        const std::vector<Uuid>& jobs, std::vector<std::optional<JobEnd>>& ends) const;
    [[nodiscard]] asio::awaitable<std::optional<JobEnd>> find(Uuid job) const;

    jobs::StoreReader& reader_;
    jobs::JobWaits& waits_;
};

} // namespace belay
