// The limit of running jobs: posix_spawn() and a pidfd that tells when to reap, nothing recorded.
//
//     limit_jobs SECONDS PARALLEL PROGRAM       prints {"jobs":…,"seconds":…} as JSON
#include "loopback.hpp"

#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <list>

namespace belay::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Child {
    UniqueFd pidfd;
    std::list<Child>::iterator self{};
};

void spawn(char* program, std::list<Child>& children, Poll& poll)
{
    std::array<char*, 2> arguments{program, nullptr};
    pid_t pid = 0;
    errno = ::posix_spawn(&pid, program, nullptr, nullptr, arguments.data(), environ);
    if (errno != 0)
        give_up(program);
    children.emplace_front();
    Child& child = children.front();
    child.self = children.begin();
    child.pidfd = UniqueFd{checked(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)), "pidfd_open")};
    poll.add(child.pidfd.get(), &child);
}

void reap(Child& child, std::list<Child>& children, Poll& poll)
{
    siginfo_t info{};
    poll.remove(child.pidfd.get());
    checked(::waitid(P_PIDFD, static_cast<id_t>(child.pidfd.get()), &info, WEXITED), "waitid");
    children.erase(child.self);
}

void run(double seconds, std::size_t parallel, char* program)
{
    Poll poll;
    std::list<Child> children;
    std::size_t jobs = 0;
    const auto begin = Clock::now();
    const auto elapsed = [begin] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
    for (;;) {
        while (children.size() < parallel && elapsed() < seconds)
            spawn(program, children, poll);
        if (children.empty())
            break;
        for (const epoll_event& event : poll.wait()) {
            reap(*static_cast<Child*>(event.data.ptr), children, poll);
            ++jobs;
        }
    }
    std::printf("{\"jobs\":%zu,\"seconds\":%.6f}\n", jobs, elapsed());
}

} // namespace
} // namespace belay::bench

int main(int argc, char** argv)
{
    if (argc != 4) {
        std::fprintf(stderr, "usage: limit_jobs SECONDS PARALLEL PROGRAM\n");
        return 64;
    }
    belay::bench::run(std::atof(argv[1]), static_cast<std::size_t>(std::atoi(argv[2])), argv[3]);
}
