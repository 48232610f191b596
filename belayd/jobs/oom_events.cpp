#include "belayd/jobs/oom_events.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <fstream>
#include <string_view>

namespace belay::jobs {
namespace {

/** cgroups(7): the line of version 2 in /proc/self/cgroup is "0::/path". */
std::string own_memory_events()
{
    std::ifstream file{"/proc/self/cgroup"};
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("0::"))
            return "/sys/fs/cgroup" + line.substr(3) + "/memory.events";
    return {};
}

} // namespace

OomEvents::OomEvents() : OomEvents(own_memory_events()) {}

OomEvents::OomEvents(const std::string& path)
{
    if (const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC); fd >= 0)
        file_ = UniqueFd{fd};
}

std::optional<std::uint64_t> OomEvents::killed() const
{
    constexpr std::string_view key = "oom_kill ";
    std::array<char, 512> buffer; // NOLINT(*-member-init): filled by pread()
    const ssize_t got = file_ ? ::pread(file_.get(), buffer.data(), buffer.size(), 0) : -1;
    if (got <= 0)
        return std::nullopt;
    const std::string_view text{buffer.data(), static_cast<std::size_t>(got)};
    const std::size_t at = text.starts_with(key) ? 0 : text.find("\noom_kill ");
    if (at == std::string_view::npos)
        return std::nullopt;
    std::uint64_t count = 0;
    const char* const digits = text.data() + at + (at == 0 ? key.size() : key.size() + 1);
    if (std::from_chars(digits, text.data() + text.size(), count).ec != std::errc{})
        return std::nullopt;
    return count;
}

} // namespace belay::jobs
