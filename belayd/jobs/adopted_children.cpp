#include "belayd/jobs/adopted_children.hpp"

#include "base/unique_fd.hpp"
#include "belayd/jobs/processes.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <system_error>

extern "C" { // the header of glibc 2.36 has no linkage of its own
#include <sys/pidfd.h>
}

namespace belay::jobs {
namespace {

/** Reaps a child if it has ended. @return whether there is nothing left to wait for */
bool reap_if_ended(pid_t child)
{
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG) != 0 || info.si_pid != 0;
}

} // namespace

AdoptedChildren::AdoptedChildren()
{
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
        throw std::system_error{errno, std::system_category(), "prctl PR_SET_CHILD_SUBREAPER"};
}

std::vector<pid_t> AdoptedChildren::left_by(const Uuid& job, pid_t leader)
{
    // As process 1 of a container we adopt strangers too, which only their environment tells apart.
    const bool alone = leaders_.size() <= 1 && ::getpid() != 1;

    struct Found {
        pid_t pid;
        bool ours;
    };
    std::vector<Found> pending;
    for (const pid_t child : living())
        pending.push_back({child, alone});

    std::vector<pid_t> left;
    while (!pending.empty()) {
        const Found next = pending.back();
        pending.pop_back();
        const bool ours = next.ours || ::getpgid(next.pid) == leader || job_of(next.pid) == job;
        if (ours)
            left.push_back(next.pid);
        for (const pid_t child : children_of(next.pid))
            pending.push_back({child, ours});
    }
    return left;
}

std::size_t AdoptedChildren::reap()
{
    return living().size();
}

std::vector<pid_t> AdoptedChildren::living()
{
    std::vector<pid_t> children = children_of_thread(::getpid(), ::getpid()).value_or(std::vector<pid_t>{});
    std::erase_if(children, [this](pid_t child) { return leaders_.contains(child) || reap_if_ended(child); });
    return children;
}

std::vector<std::pair<pid_t, Uuid>> kill_leftovers(const std::vector<Uuid>& jobs)
{
    std::vector<std::pair<pid_t, Uuid>> found;
    const std::set<Uuid> wanted{jobs.begin(), jobs.end()};
    const auto is_leftover = [&wanted](pid_t process) {
        const std::optional<Uuid> job = job_of(process);
        return job && wanted.contains(*job);
    };
    for (const pid_t process : find_processes(is_leftover)) {
        const int opened = ::pidfd_open(process, 0);
        if (opened < 0)
            continue;
        const UniqueFd pidfd{opened};
        const std::optional<Uuid> job = job_of(process); // again: now the pid cannot have become somebody else's
        if (job && wanted.contains(*job) && ::pidfd_send_signal(pidfd.get(), SIGKILL, nullptr, 0) == 0)
            found.emplace_back(process, *job);
    }
    return found;
}

} // namespace belay::jobs
