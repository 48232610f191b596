#include "belayd/jobs/processes.hpp"

#include "base/unique_fd.hpp"

#include <fmt/format.h>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <string>
#include <string_view>

namespace belay::jobs {
namespace {

/** Nothing if it cannot be opened, errno says why. */
std::optional<std::string> read_all(const std::string& path)
{
    const int opened = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (opened < 0)
        return std::nullopt;
    const UniqueFd fd{opened};
    std::string text;
    std::array<char, 4096> chunk; // NOLINT(*-member-init): filled by read()
    for (;;) {
        const ssize_t got = ::read(fd.get(), chunk.data(), chunk.size());
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return text;
        text.append(chunk.data(), static_cast<std::size_t>(got));
    }
}

/** The numeric entries of a directory of /proc: processes, or threads. */
std::vector<pid_t> numbers_in(const std::string& path)
{
    std::vector<pid_t> numbers;
    const std::unique_ptr<DIR, int (*)(DIR*)> directory{::opendir(path.c_str()), ::closedir};
    if (!directory)
        return numbers;
    while (const dirent* entry = ::readdir(directory.get())) {
        const std::string_view name{entry->d_name};
        pid_t number = 0;
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
        if (error == std::errc{} && end == name.data() + name.size())
            numbers.push_back(number);
    }
    return numbers;
}

std::optional<Uuid> find_job(const std::string& environment)
{
    constexpr std::string_view variable = "BELAY_JOB_ID=";
    for (std::size_t at = 0; at < environment.size();) {
        const std::size_t end = std::min(environment.find('\0', at), environment.size());
        const std::string_view entry{environment.data() + at, end - at};
        if (entry.starts_with(variable))
            return parse_uuid(entry.substr(variable.size()));
        at = end + 1;
    }
    return std::nullopt;
}

} // namespace

ProcessJob job_of(pid_t process)
{
    const std::string directory = fmt::format("/proc/{}/", process);
    std::optional<std::string> environment = read_all(directory + "environ");
    if (!environment) // no memory any more, Linux 6.16 and later say so; older ones let it be opened, and it is empty
        return {std::nullopt, errno == ESRCH};
    if (environment->empty()) {
        // Either it has none, or no memory at the moment; then its command line is empty too.
        const std::optional<std::string> command = read_all(directory + "cmdline");
        if (command && command->empty())
            return {std::nullopt, true};
        environment = read_all(directory + "environ");
    }
    return {environment ? find_job(*environment) : std::nullopt, false};
}

std::vector<pid_t> children_of(pid_t process)
{
    std::vector<pid_t> all;
    for (const pid_t thread : numbers_in(fmt::format("/proc/{}/task", process)))
        if (const auto children = children_of_thread(process, thread))
            all.insert(all.end(), children->begin(), children->end());
    return all;
}

std::optional<std::vector<pid_t>> children_of_thread(pid_t process, pid_t thread)
{
    const std::optional<std::string> text = read_all(fmt::format("/proc/{}/task/{}/children", process, thread));
    if (!text)
        return std::nullopt;
    std::vector<pid_t> children;
    const char* const end = text->data() + text->size();
    for (const char* at = text->data(); at < end; ++at) { // "12 345 "
        pid_t child = 0;
        at = std::from_chars(at, end, child).ptr;
        if (child > 0)
            children.push_back(child);
    }
    return children;
}

std::vector<pid_t> find_processes(const std::function<bool(pid_t)>& wanted)
{
    std::vector<pid_t> found;
    for (const pid_t process : numbers_in("/proc"))
        if (process != ::getpid() && wanted(process))
            found.push_back(process);
    return found;
}

} // namespace belay::jobs
