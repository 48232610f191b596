#include "belayd/jobs/job.hpp"

#include <array>

namespace belay::jobs {
namespace {

constexpr std::array<std::string_view, job_states> state_names{
    "queued", "running", "succeeded", "failed", "cancelled", "superseded"};
constexpr std::array<std::string_view, outcomes> outcome_names{
    "succeeded", "exited", "signalled", "timed_out", "oom", "lost", "interrupted"};

} // namespace

std::string_view to_string(JobState state) noexcept
{
    return state_names[static_cast<std::size_t>(state)];
}

std::string_view to_string(Outcome outcome) noexcept
{
    return outcome_names[static_cast<std::size_t>(outcome)];
}

std::optional<JobState> parse_job_state(std::string_view text) noexcept
{
    for (std::size_t i = 0; i < state_names.size(); ++i)
        if (state_names[i] == text)
            return static_cast<JobState>(i);
    return std::nullopt;
}

} // namespace belay::jobs
