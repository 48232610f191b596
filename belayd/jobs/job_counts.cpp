#include "belayd/jobs/job_counts.hpp"

#include "daemon/handover.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <utility>

namespace belay::jobs {

JobCounts::JobCounts(ByHook by_hook) : by_hook_(std::move(by_hook))
{
    for (const auto& [hook, states] : by_hook_)
        for (std::size_t state = 0; state < job_states; ++state)
            totals_[state] += states[state];
}

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

boost::json::object to_json(const JobCounts::ByHook& counts)
{
    boost::json::object made;
    for (const auto& [hook, states] : counts) {
        boost::json::object& by_state = made[hook].emplace_object();
        for (std::size_t state = 0; state < job_states; ++state)
            by_state[to_string(static_cast<JobState>(state))] = states[state];
    }
    return made;
}

JobCounts::ByHook handed_counts(const boost::json::value& counts)
{
    JobCounts::ByHook made;
    try {
        for (const auto& [hook, by_state] : counts.as_object())
            for (std::size_t state = 0; state < job_states; ++state)
                made[hook][state] =
                    by_state.as_object().at(to_string(static_cast<JobState>(state))).to_number<std::uint64_t>();
    } catch (const std::exception& e) {
        throw daemon::HandoverError{fmt::format("counts of jobs: {}", e.what())};
    }
    return made;
}

} // namespace belay::jobs
