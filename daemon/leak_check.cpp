#include "daemon/leak_check.hpp"

#include "daemon/thread_creators.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>

namespace belay::daemon {
namespace {

struct CloseDirectory {
    void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};

/** Calls `visit` with every number in a directory of /proc, except the descriptor that reads it. */
template <typename Visit>
void for_each_number(const char* directory, Visit visit)
{
    const std::unique_ptr<DIR, CloseDirectory> dir{::opendir(directory)};
    if (!dir)
        throw std::system_error{errno, std::system_category(), directory};
    const int own = ::dirfd(dir.get());
    while (const dirent* entry = ::readdir(dir.get())) { // NOLINT(concurrency-mt-unsafe): glibc's is per stream
        const std::string_view name{entry->d_name};
        int number = 0;
        const auto [end, ec] = std::from_chars(name.data(), name.data() + name.size(), number);
        if (ec == std::errc{} && end == name.data() + name.size() && number != own)
            visit(number);
    }
}

std::string first_line(const std::string& path)
{
    std::ifstream file{path};
    std::string line;
    std::getline(file, line);
    return line;
}

using NameOf = int (*)(int, sockaddr*, socklen_t*);

/** "127.0.0.1:9080", "unix:/run/belay/control.sock"; nothing for what is no socket, or has no name. */
std::optional<std::string> endpoint(int fd, NameOf name_of)
{
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (name_of(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
        return std::nullopt;
    if (address.ss_family == AF_UNIX) {
        const std::string_view path{reinterpret_cast<const sockaddr_un&>(address).sun_path};
        return path.empty() ? std::nullopt : std::optional{fmt::format("unix:{}", path)};
    }
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (address.ss_family == AF_INET) {
        const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
        return fmt::format("{}:{}", ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size()), ntohs(v4.sin_port));
    }
    if (address.ss_family == AF_INET6) {
        const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
        return fmt::format(
            "[{}]:{}", ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size()), ntohs(v6.sin6_port));
    }
    return std::nullopt;
}

std::string describe_descriptor(int fd)
{
    std::array<char, 512> target{};
    const ssize_t size = ::readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), target.data(), target.size());
    std::string text = size < 0 ? "closed meanwhile" : std::string{target.data(), static_cast<std::size_t>(size)};
    if (!text.starts_with("socket:"))
        return text;
    if (const auto local = endpoint(fd, ::getsockname))
        text += " " + *local;
    if (const auto peer = endpoint(fd, ::getpeername))
        return text + " to " + *peer;
    ucred peer{};
    socklen_t size_of_peer = sizeof peer;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size_of_peer) == 0 && peer.pid > 0) // of a unix socket
        text += fmt::format(" to process {}", peer.pid);
    return text;
}

/** "child 4711 (sleep), state Z": the command line of a zombie is gone, its name is not. */
std::string describe_child(pid_t pid, pid_t parent)
{
    const std::string path = fmt::format("/proc/{}/", pid);
    const std::string stat = first_line(path + "stat"); // proc(5): pid (comm) state …
    const auto name_end = stat.rfind(')');
    std::string text = fmt::format("child {} ({})", pid, first_line(path + "comm"));
    if (parent != ::getpid())
        text += fmt::format(" of child {}", parent);
    if (name_end != std::string::npos && name_end + 2 < stat.size())
        text += fmt::format(", state {}", stat[name_end + 2]);
    std::string command = first_line(path + "cmdline");
    std::replace(command.begin(), command.end(), '\0', ' ');
    return command.empty() ? text : text + ": " + command;
}

/** Whether that child was there before, or descends from one that was. */
bool descends_from(const std::map<pid_t, pid_t>& before, const std::map<pid_t, pid_t>& now, pid_t child)
{
    const auto parent = now.find(child);
    return before.contains(child) || (parent != now.end() && descends_from(before, now, parent->second));
}

/** What is in `now` and was not there before; what children that were there have for children is theirs. */
Census added(Census now, const Census& before)
{
    std::erase_if(now.threads, [&before](pid_t tid) { return before.threads.contains(tid); });
    std::erase_if(now.descriptors, [&before](const auto& entry) { return before.descriptors.contains(entry.first); });
    const std::map<pid_t, pid_t> children = now.children;
    std::erase_if(
        now.children, [&](const auto& entry) { return descends_from(before.children, children, entry.first); });
    return now;
}

std::vector<Leak> describe_leaks(const Census& left, const std::vector<ThreadRecord>& known)
{
    std::vector<Leak> leaks;
    for (const pid_t tid : left.threads)
        leaks.push_back({Leak::Kind::thread, describe_thread(tid, known), stack_of(tid)});
    for (const auto& [fd, target] : left.descriptors)
        leaks.push_back({Leak::Kind::descriptor, fmt::format("fd {} → {}", fd, target), {}});
    for (const auto& [pid, parent] : left.children)
        leaks.push_back({Leak::Kind::child, describe_child(pid, parent), {}});
    return leaks;
}

/** The children of each thread of a process, and theirs.  Needs CONFIG_PROC_CHILDREN, which distributions set; where it
 *  is missing no child is seen. */
void add_children(pid_t parent, std::map<pid_t, pid_t>& children)
try {
    const std::string tasks = fmt::format("/proc/{}/task", parent);
    for_each_number(tasks.c_str(), [&](pid_t tid) {
        std::ifstream list{fmt::format("{}/{}/children", tasks, tid)};
        for (pid_t child = 0; list >> child;)
            if (children.emplace(child, parent).second)
                add_children(child, children);
    });
} catch (const std::system_error&) { // it has ended meanwhile
}

} // namespace

std::set<pid_t> thread_ids()
{
    std::set<pid_t> ids;
    for_each_number("/proc/self/task", [&ids](pid_t tid) { ids.insert(tid); });
    return ids;
}

Census take_census()
{
    Census census;
    census.threads = thread_ids();
    for_each_number("/proc/self/fd", [&census](int fd) { census.descriptors.emplace(fd, describe_descriptor(fd)); });
    add_children(::getpid(), census.children);
    return census;
}

void adopt_orphans() noexcept
{
    (void)::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); // cannot fail, since Linux 3.4
}

std::vector<Leak> find_leaks(const Census& before, const Threads& threads, std::chrono::milliseconds patience)
{
    const auto deadline = std::chrono::steady_clock::now() + patience;
    auto pause = std::chrono::microseconds{50};
    for (;;) {
        const Census left = added(take_census(), before);
        if (left.threads.empty() && left.descriptors.empty() && left.children.empty())
            return {};
        if (std::chrono::steady_clock::now() >= deadline)
            return describe_leaks(left, threads.running());
        std::this_thread::sleep_for(pause);
        pause *= 2;
    }
}

std::string describe_thread(pid_t tid, const std::vector<ThreadRecord>& known)
{
    const auto record = std::find_if(known.begin(), known.end(), [tid](const auto& r) { return r.tid == tid; });
    const bool ours = record != known.end();
    const std::string creator = ours ? describe(record->creator) : describe_creator(tid);
    const std::string text = fmt::format("thread {} (tid {}) {}{}", ours ? record->name : thread_name(tid), tid,
        creator.empty() ? "not created by daemon::Threads" : "created at ", creator);
    const std::string channel = wait_channel(tid);
    return channel.empty() ? text : text + ", in " + channel;
}

std::string describe_creator(pid_t tid)
{
    return fmt::format("{}", fmt::join(creator_of(tid), " < "));
}

std::string thread_name(pid_t tid)
{
    return first_line(fmt::format("/proc/self/task/{}/comm", tid));
}

std::string wait_channel(pid_t tid)
{
    std::string channel = first_line(fmt::format("/proc/self/task/{}/wchan", tid));
    return channel == "0" ? std::string{} : channel;
}

std::string describe(const std::source_location& place)
{
    std::string_view file{place.file_name()};
    if (const auto up = file.rfind("../"); up != file.npos) // from a build directory, which unity builds name as well
        file.remove_prefix(up + 3);
    return fmt::format("{}:{}", file, place.line());
}

} // namespace belay::daemon
