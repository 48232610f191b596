#include "belayd/jobs/job.hpp"

#include <array>

namespace belay::jobs {
namespace {

constexpr std::array<std::string_view, job_states> state_names{
    "queued", "running", "succeeded", "failed", "cancelled", "superseded"};
constexpr std::array<std::string_view, outcomes> outcome_names{
    "succeeded", "exited", "signalled", "timed_out", "oom", "lost", "interrupted"};

template <class Enum, std::size_t count>
std::optional<Enum> find_name(const std::array<std::string_view, count>& names, std::string_view text) noexcept
{
    for (std::size_t i = 0; i < count; ++i)
        if (names[i] == text)
            return static_cast<Enum>(i);
    return std::nullopt;
}

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
    return find_name<JobState>(state_names, text);
}

std::optional<Outcome> parse_outcome(std::string_view text) noexcept
{
    return find_name<Outcome>(outcome_names, text);
}

} // namespace belay::jobs
