#include "base/cpu_share.hpp"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>

namespace belay {
namespace {

/** "150000 100000": microseconds in each period of so many; "max 100000" is no limit. */
std::optional<double> read_quota(const std::filesystem::path& cpu_max)
{
    std::ifstream file{cpu_max};
    double quota = 0;
    double period = 0;
    if (!(file >> quota >> period) || quota <= 0 || period <= 0)
        return std::nullopt;
    return quota / period;
}

std::string group_of(int pid)
{
    constexpr std::string_view version_2 = "0::";
    std::ifstream file{pid == 0 ? "/proc/self/cgroup" : "/proc/" + std::to_string(pid) + "/cgroup"};
    for (std::string line; std::getline(file, line);)
        if (line.starts_with(version_2))
            return line.substr(version_2.size());
    return {};
}

} // namespace

unsigned CpuShare::threads() const noexcept
{
    if (!quota || *quota >= cpus)
        return cpus;
    return std::max(1U, static_cast<unsigned>(std::ceil(*quota)));
}

CpuShare cpu_share(int pid)
{
    CpuShare share;
    cpu_set_t allowed;
    if (::sched_getaffinity(pid, sizeof allowed, &allowed) == 0)
        share.cpus = static_cast<unsigned>(std::max(1, CPU_COUNT(&allowed)));
    share.quota = cpu_quota("/sys/fs/cgroup", group_of(pid));
    return share;
}

std::optional<double> cpu_quota(const std::filesystem::path& root, std::string_view group)
{
    std::optional<double> least;
    auto relative = std::filesystem::path{group}.relative_path();
    if (std::ranges::find(relative, "..") != relative.end())
        return least; // a group outside of this cgroup namespace, cgroup_namespaces(7)
    for (;; relative = relative.parent_path()) {
        if (const auto quota = read_quota(root / relative / "cpu.max"); quota && (!least || *quota < *least))
            least = quota;
        if (relative.empty())
            return least;
    }
}

} // namespace belay
