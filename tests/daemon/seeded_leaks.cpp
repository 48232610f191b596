#include "tests/daemon/seeded_leaks.hpp"

#include "daemon/leak_check.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace belay::testing {

[[gnu::noinline]] std::thread start_as_a_library_does(std::promise<void>& release)
{
    std::thread thread{[&release] { release.get_future().wait(); }};
    asm volatile(""); // no tail call: this function must be on the stack
    return thread;
}

void wait_for_the_end_of(pid_t parent)
{
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (::getppid() == parent) // else it ended before the kernel was asked to tell
        ::pause();
    ::_exit(0);
}

pid_t fork_in_two_generations()
{
    const pid_t test = ::getpid();
    const pid_t child = ::fork();
    if (child != 0)
        return child;
    const pid_t self = ::getpid();
    wait_for_the_end_of(::fork() == 0 ? self : test);
}

void fork_in_two_generations_and_wait()
{
    const auto expected = daemon::take_census().children.size() + 2;
    (void)fork_in_two_generations();
    for (int i = 0; i < 10'000 && daemon::take_census().children.size() < expected; ++i)
        std::this_thread::yield();
}

void leave_an_orphan()
{
    const pid_t test = ::getpid();
    const pid_t child = ::fork();
    if (child != 0) {
        ::waitpid(child, nullptr, 0);
        return;
    }
    const pid_t self = ::getpid();
    if (::fork() != 0)
        ::_exit(0);
    while (::getppid() == self)
        ::usleep(1000);
    wait_for_the_end_of(test);
}

} // namespace belay::testing
