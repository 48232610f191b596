#pragma once
#include "belayd/jobs/job.hpp"

#include <boost/json/fwd.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace belay::jobs {

/**
 * How many jobs each hook has in each state, kept beside the tables and rolled back with them.
 *
 * Confined to one thread.
 */
class JobCounts {
public:
    using ByState = std::array<std::uint64_t, job_states>;
    using ByHook = std::map<std::string, ByState>;

    JobCounts() = default;
    explicit JobCounts(ByHook by_hook);

    void add(const std::string& hook, JobState state, std::uint64_t count = 1);
    void remove(const std::string& hook, JobState state);
    void move(const std::string& hook, JobState from, JobState to);

    void commit() noexcept { undo_.clear(); }
    void rollback() noexcept;

    [[nodiscard]] const ByHook& by_hook() const noexcept { return by_hook_; }
    [[nodiscard]] const ByState& totals() const noexcept { return totals_; }

private:
    struct Change {
        ByState* hook; // nodes of the map stay where they are
        std::size_t state;
        std::uint64_t count; // modulo 2^64: a removal adds -1
    };
    void change(ByState& hook, JobState state, std::uint64_t count);

    ByHook by_hook_;
    ByState totals_{};
    std::vector<Change> undo_;
};

/** As a part of a hand-over's document. */
[[nodiscard]] boost::json::object to_json(const JobCounts::ByHook& counts);

/** The counterpart. @throws daemon::HandoverError */
[[nodiscard]] JobCounts::ByHook handed_counts(const boost::json::value& counts);

} // namespace belay::jobs
