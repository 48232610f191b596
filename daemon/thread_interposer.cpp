/** @file A pthread_create() that records the stack of who calls it: so the leak check and /debug/threads can tell where
 *  a library's thread comes from.  Linked into executables, whose definition comes before libc's; not with clang, whose
 *  sanitizers stand at the same place by other means and crash or are bypassed. */
#include "daemon/thread_creators.hpp"

#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <new>

namespace {

using belay::daemon::CreatorStack;

struct Start {
    void* (*routine)(void*);
    void* argument;
    CreatorStack creator;
};

void take_stack(CreatorStack& stack)
{
    const int size = ::backtrace(stack.frames.data(), static_cast<int>(stack.frames.size()));
    // The first is pthread_create() below.
    std::shift_left(stack.frames.begin(), stack.frames.begin() + size, 1);
    stack.size = static_cast<std::size_t>(std::max(size - 1, 0));
}

/** Not noexcept: pthread_exit(3) and pthread_cancel(3) unwind through it, and the record goes too. */
void* run(void* given)
{
    auto start = std::unique_ptr<Start>{static_cast<Start*>(given)};
    const belay::daemon::CreatorRecord record{start->creator};
    auto* const routine = start->routine;
    void* const argument = start->argument;
    start.reset(); // a thread that is left at exit holds no memory of ours
    return routine(argument);
}

} // namespace

extern "C" int pthread_create(
    pthread_t* thread, const pthread_attr_t* attributes, void* (*routine)(void*), void* argument) noexcept
{
    using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
    static const auto next = reinterpret_cast<Create>(::dlsym(RTLD_NEXT, "pthread_create"));
    auto start = std::unique_ptr<Start>{new (std::nothrow) Start{routine, argument, {}}};
    if (next == nullptr || !start)
        return EAGAIN;
    take_stack(start->creator);
    const int error = next(thread, attributes, run, start.get());
    if (error == 0)
        (void)start.release(); // run() has it
    return error;
}
