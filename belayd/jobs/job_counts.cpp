#include "belayd/jobs/job_counts.hpp"

namespace belay::jobs {

void JobCounts::change(ByState& hook, JobState state, std::uint64_t count)
{
    const auto index = static_cast<std::size_t>(state);
    undo_.push_back({&hook, index, count});
    hook[index] += count;
    totals_[index] += count;
}

void JobCounts::add(const std::string& hook, JobState state, std::uint64_t count)
{
    change(by_hook_[hook], state, count);
}

void JobCounts::remove(const std::string& hook, JobState state)
{
    change(by_hook_[hook], state, std::uint64_t{0} - 1);
}

void JobCounts::move(const std::string& hook, JobState from, JobState to)
{
    auto& states = by_hook_[hook];
    change(states, from, std::uint64_t{0} - 1);
    change(states, to, 1);
}

void JobCounts::rollback() noexcept
{
    for (const auto& [hook, state, count] : undo_) {
        (*hook)[state] -= count;
        totals_[state] -= count;
    }
    undo_.clear();
}

} // namespace belay::jobs
