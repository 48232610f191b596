#include "base/cpu_share.hpp"
#include "cli/doctor/checks.hpp"
#include "cli/doctor/kernel_file.hpp"

#include <fmt/format.h>

#include <sched.h>

#include <string_view>

namespace belay::cli {
namespace {

using Verdict = Finding::Verdict;

std::string describe(const CpuShare& share)
{
    return fmt::format("{} CPU{}{}", share.cpus, share.cpus == 1 ? "" : "s",
        share.quota ? fmt::format(", quota {:g}", *share.quota) : std::string{});
}

Finding examine_threads(const config::Config& config, const CpuShare& share)
{
    const unsigned wanted = config.http_threads;
    Finding finding{"cpus", Verdict::ok,
        fmt::format("http_threads {} on {}", wanted == 0 ? share.threads() : wanted, describe(share)),
        fmt::format("{} threads at most", share.threads()), {}};
    if (wanted > share.threads()) {
        finding.verdict = Verdict::warning;
        finding.remedy = "leave http_threads out: belayd then takes as many as can run at once; or widen CPUAffinity= "
                         "and CPUQuota= of its unit";
    }
    return finding;
}

bool has_any(std::string_view list, const cpu_set_t& allowed)
{
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
        if (CPU_ISSET(cpu, &allowed) && is_listed(list, cpu))
            return true;
    return false;
}

/** Memory nodes that CPUs of `allowed` belong to. */
unsigned count_nodes(const std::filesystem::path& nodes, const cpu_set_t& allowed)
{
    unsigned count = 0;
    std::error_code error;
    for (std::filesystem::directory_iterator entry{nodes, error}, end; !error && entry != end; entry.increment(error))
        if (const auto cpus = read_line(entry->path() / "cpulist"); cpus && has_any(*cpus, allowed))
            ++count;
    return count;
}

Finding examine_nodes(const Subject& subject)
{
    cpu_set_t allowed;
    if (::sched_getaffinity(subject.belayd.value_or(0), sizeof allowed, &allowed) != 0)
        return {"numa", Verdict::unknown, "the affinity cannot be read", "1 node", {}};
    const unsigned nodes = count_nodes(subject.sys / "devices/system/node", allowed);
    if (nodes <= 1)
        return {"numa", Verdict::ok, "1 node", "1 node", {}};
    return {"numa", Verdict::note, fmt::format("{} nodes", nodes), "1 node",
        "for the least latency keep belayd and its memory on one: CPUAffinity=numa, NUMAPolicy=bind and NUMAMask=0 in "
        "its unit"};
}

} // namespace

unsigned running_jobs(const Subject& subject)
{
    const unsigned configured = subject.config.max_jobs;
    return configured != 0 ? configured : cpu_share(subject.belayd.value_or(0)).threads();
}

Findings examine_cpus(const Subject& subject)
{
    return {examine_threads(subject.config, cpu_share(subject.belayd.value_or(0))), examine_nodes(subject)};
}

} // namespace belay::cli
