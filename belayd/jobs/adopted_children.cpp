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

/** Everything that descends from a process. */
std::vector<pid_t> descendants_of(pid_t root)
{
    std::vector<pid_t> found = children_of(root);
    for (std::size_t i = 0; i < found.size(); ++i)
        for (const pid_t child : children_of(found[i]))
            found.push_back(child);
    return found;
}

} // namespace

AdoptedChildren::AdoptedChildren(std::set<pid_t> strangers)
    : strangers_(std::move(strangers)),
      adopts_others_orphans_(::getpid() == 1 || !strangers_.empty()) // process 1 of a container adopts everybody's
{
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
        throw std::system_error{errno, std::system_category(), "prctl PR_SET_CHILD_SUBREAPER"};
}

AdoptedChildren::Left AdoptedChildren::left_by(const Uuid& job, pid_t leader)
{
    const bool alone = leaders_.size() <= 1 && !adopts_others_orphans_;
    for (;;) {
        Left left{descendants_of(leader), false}; // first: what loses its parent meanwhile is adopted
        const std::vector<pid_t> roots = living();
        for (const pid_t root : roots) {
            const ProcessJob of = alone || ::getpgid(root) == leader ? ProcessJob{job, false} : job_of(root);
            left.unsure = left.unsure || of.in_transition;
            if (of.job != job)
                continue;
            const std::vector<pid_t> others = descendants_of(root);
            left.processes.push_back(root);
            left.processes.insert(left.processes.end(), others.begin(), others.end());
        }
        // One that has ended since may have left us its own children: look again.
        if (!left.none() || std::none_of(roots.begin(), roots.end(), reap_if_ended))
            return left;
    }
}

std::vector<pid_t> AdoptedChildren::strays()
{
    return leaders_.empty() ? left_by({}, 0).processes : std::vector<pid_t>{};
}

std::size_t AdoptedChildren::reap()
{
    return living().size();
}

std::vector<pid_t> AdoptedChildren::living()
{
    const auto has_ended = [this](pid_t child) {
        const bool ended = reap_if_ended(child);
        if (ended)
            strangers_.erase(child); // its number may come again
        return ended;
    };
    for (;;) {
        std::vector<pid_t> children = children_of_thread(::getpid(), ::getpid()).value_or(std::vector<pid_t>{});
        std::erase_if(children, [this](pid_t child) { return leaders_.contains(child); });
        // One that ended after the list was read may have left us its own children: read it again.
        if (std::erase_if(children, has_ended) != 0)
            continue;
        std::erase_if(children, [this](pid_t child) { return strangers_.contains(child); });
        return children;
    }
}

std::vector<std::pair<pid_t, Uuid>> kill_leftovers(const std::vector<Uuid>& jobs)
{
    std::vector<std::pair<pid_t, Uuid>> found;
    const std::set<Uuid> wanted{jobs.begin(), jobs.end()};
    const auto is_leftover = [&wanted](pid_t process) {
        const std::optional<Uuid> job = job_of(process).job;
        return job && wanted.contains(*job);
    };
    for (const pid_t process : find_processes(is_leftover)) {
        const int opened = ::pidfd_open(process, 0);
        if (opened < 0)
            continue;
        const UniqueFd pidfd{opened};
        const std::optional<Uuid> job = job_of(process).job; // again: now the pid cannot have become somebody else's
        if (job && wanted.contains(*job) && ::pidfd_send_signal(pidfd.get(), SIGKILL, nullptr, 0) == 0)
            found.emplace_back(process, *job);
    }
    return found;
}

} // namespace belay::jobs
