#include "base/unique_fd.hpp"
#include "daemon/stacks.hpp"
#include "daemon/threads.hpp"

#include <gtest/gtest.h>

#include <dlfcn.h>
#include <execinfo.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/eventfd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <future>
#include <thread>

namespace {

std::atomic<pid_t> slow_thread{0}; // its backtrace() waits for `go_on`
sem_t go_on;

} // namespace

/** glibc's, but for the one thread that is to be slow in its signal handler. */
extern "C" int backtrace(void** frames, int size)
{
    static const auto real = reinterpret_cast<int (*)(void**, int)>(::dlsym(RTLD_NEXT, "backtrace"));
    if (slow_thread == ::gettid())
        while (::sem_wait(&go_on) != 0 && errno == EINTR) {
        }
    return real(frames, size);
}

// Not in an unnamed namespace: only what has external linkage has a name for dladdr(3).
namespace belay::daemon::stacks_test {

void wait_here(int released);

[[gnu::noinline]] void wait_here(int released)
{
    pollfd readable{released, POLLIN, 0};
    ::poll(&readable, 1, -1); // where ThreadSanitizer too lets a signal through
    asm volatile("");         // no tail call: this function must be on the stack while it waits
}

} // namespace belay::daemon::stacks_test

namespace belay::daemon {
namespace {

bool mentions(const std::vector<std::string>& stack, std::string_view function)
{
    for (const auto& frame : stack)
        if (frame.find(function) != std::string::npos)
            return true;
    return false;
}

TEST(Stacks, OfAThreadOfBelayNameTheFunctionItWaitsIn)
{
    prepare_stacks();
    Threads threads;
    const UniqueFd release{::eventfd(0, EFD_CLOEXEC)};
    Thread thread = threads.start("waits", [&release](Heartbeat&) { stacks_test::wait_here(release.get()); });
    const pid_t tid = threads.running().at(0).tid;
    // The thread may not have come to wait_here() yet: ask until it has.
    std::vector<std::string> stack;
    for (int i = 0; i < 1000 && !mentions(stack, "stacks_test::wait_here"); ++i)
        stack = stack_of(tid);
    ::eventfd_write(release.get(), 1);
    thread.join();
    EXPECT_TRUE(mentions(stack, "belay::daemon::stacks_test::wait_here")) << ::testing::PrintToString(stack);
}

TEST(Stacks, OfTheCallingThread)
{
    EXPECT_FALSE(stack_of(::gettid()).empty());
}

TEST(Stacks, AreEmptyForAThreadThatIsGone)
{
    prepare_stacks();
    pid_t tid = 0;
    std::thread{[&tid] { tid = ::gettid(); }}.join();
    EXPECT_TRUE(stack_of(tid).empty());
}

TEST(Stacks, AThreadThatBlocksTheSignalCostsTimeAndNothingElse)
{
    prepare_stacks();
    std::promise<pid_t> started;
    std::promise<void> release;
    std::thread deaf{[&] {
        sigset_t all;
        sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
        started.set_value(::gettid());
        release.get_future().wait();
        ::pthread_sigmask(SIG_UNBLOCK, &all, nullptr); // the late signal finds no work
    }};
    const pid_t tid = started.get_future().get();
    EXPECT_TRUE(stack_of(tid).empty());
    release.set_value();
    deaf.join();
    Threads threads;
    std::promise<void> again;
    Thread thread = threads.start("waits", [&again](Heartbeat&) { again.get_future().wait(); });
#ifndef __SANITIZE_THREAD__ // it holds a signal back while a thread waits for a futex
    EXPECT_FALSE(stack_of(threads.running().at(0).tid).empty()) << "the next request must find a free exchange";
#endif
    again.set_value();
}

#ifndef __SANITIZE_THREAD__ // as above
TEST(Stacks, AThreadThatAnswersLateIsForgotten)
{
    prepare_stacks();
    ::sem_init(&go_on, 0, 0);
    Threads threads;
    std::promise<void> release;
    std::promise<void> woken;
    Thread thread = threads.start("late", [&](Heartbeat&) {
        release.get_future().wait(); // the signal comes while it waits here
        woken.set_value();
    });
    const pid_t tid = threads.running().at(0).tid;
    slow_thread = tid;
    EXPECT_TRUE(stack_of(tid).empty());
    EXPECT_TRUE(stack_of(tid).empty()); // still in its handler: nobody else is asked meanwhile
    slow_thread = 0;
    ::sem_post(&go_on);
    release.set_value();
    woken.get_future().wait(); // its handler has returned
    thread.join();

    std::promise<void> done;
    Thread other = threads.start("other", [&](Heartbeat&) { done.get_future().wait(); });
    EXPECT_FALSE(stack_of(threads.running().at(0).tid).empty()) << "one late answer must not be the end of all stacks";
    done.set_value();
}
#endif

} // namespace
} // namespace belay::daemon
