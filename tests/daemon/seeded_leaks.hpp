#pragma once
#include <sys/types.h>

#include <future>
#include <thread>

/** @file What tests leave behind on purpose.  Not inline: only what has external linkage has a name for dladdr(3). */
namespace belay::testing {

/** A thread that waits for `release`, which it borrows; daemon::Threads does not know it. */
[[nodiscard]] std::thread start_as_a_library_does(std::promise<void>& release);

/** For a process that was just forked. */
[[noreturn]] void wait_for_the_end_of(pid_t parent);

/** A child that has a child itself, in its own time.  Each ends with its parent.  @return the first */
pid_t fork_in_two_generations();

/** Once both are there. */
void fork_in_two_generations_and_wait();

/** A grandchild whose parent has ended: it ends with this process, if that has adopted it, else at once. */
void leave_an_orphan();

} // namespace belay::testing
