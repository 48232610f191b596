#pragma once
#include "belayd/config/config.hpp"
#include "cli/doctor/finding.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace belay::cli {

/** What is examined. */
struct Subject {
    config::Config config;
    std::optional<int> belayd;            ///< its PID, if it runs
    std::filesystem::path proc = "/proc"; ///< where the kernel tells of itself; tests have others
    std::filesystem::path sys = "/sys";
};

/** Jobs that may run at once: max_jobs, by default as many as belayd's CPUs can run. */
[[nodiscard]] unsigned running_jobs(const Subject& subject);

// Each looks at one limit and changes nothing, but for a file in the state directory that is gone at once.  None throws
// for what it cannot look at: that is a finding too.

/** net.core.somaxconn and tcp_max_syn_backlog against the backlog that belayd's listeners ask for. */
[[nodiscard]] Findings examine_backlogs(const Subject& subject);

/** Local ports: for commands that connect out, and that none of them takes one that belayd listens on. */
[[nodiscard]] Findings examine_ports(const Subject& subject);

/** RLIMIT_NOFILE, of the belayd that runs or as its unit sets it, against connections and jobs. */
[[nodiscard]] Finding examine_descriptors(const Subject& subject);

/** File system, write cache, sync rate and free space of the state directory. */
[[nodiscard]] Findings examine_disk(const Subject& subject);

/** The SQLite that belay is linked with, and its known defects. */
[[nodiscard]] Finding examine_sqlite(const std::string& version);

/** Threads against CPU affinity and quota; NUMA nodes. */
[[nodiscard]] Findings examine_cpus(const Subject& subject);

/** Whether the kernel's clock is synchronised. */
[[nodiscard]] Finding examine_clock();

/** What `systemd-analyze security` says of belayd.service. */
[[nodiscard]] Finding examine_hardening();

} // namespace belay::cli
