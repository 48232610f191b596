#pragma once
#include <filesystem>
#include <optional>
#include <string_view>

namespace belay {

/** What a process may use of the machine's CPUs. */
struct CpuShare {
    unsigned cpus = 1;           ///< it may run on so many: CPUAffinity=, AllowedCPUs=, taskset(1)
    std::optional<double> quota; ///< CPUs' worth of time, if its cgroups limit it: CPUQuota=, docker run --cpus

    /** Threads that can run at the same time: `cpus`, or the quota rounded up where that is less. */
    [[nodiscard]] unsigned threads() const noexcept;
};

/** Of a process, now: sched_getaffinity(2), and cpu.max of its cgroups (version 2).  @param pid 0: this one */
[[nodiscard]] CpuShare cpu_share(int pid = 0);

/**
 * The least that cpu.max leaves to a group and to those above it; none where none is limited or can be read.
 * @param root  where cgroup version 2 is mounted
 * @param group "/system.slice/belayd.service": the path behind "0::" in /proc/PID/cgroup
 */
[[nodiscard]] std::optional<double> cpu_quota(const std::filesystem::path& root, std::string_view group);

} // namespace belay
