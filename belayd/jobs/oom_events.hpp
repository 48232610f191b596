#pragma once
#include "base/unique_fd.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace belay::jobs {

/**
 * How many processes the kernel has killed for memory in a cgroup: `oom_kill` of memory.events (cgroup v2).
 *
 * Thread-safe.
 */
class OomEvents {
public:
    /** Of this process's own cgroup, which its jobs share. */
    OomEvents();

    explicit OomEvents(const std::string& path);

    /** Nothing where the kernel does not tell: cgroup v1, no memory controller, the root. */
    [[nodiscard]] std::optional<std::uint64_t> killed() const;

private:
    UniqueFd file_;
};

} // namespace belay::jobs
