#pragma once
#include <sys/types.h>

#include <span>
#include <string>
#include <vector>

namespace belay::daemon {

/**
 * The real-time signal that makes a thread write down its stack.  daemon::Threads leaves it unblocked in its threads; a
 * job inherits neither handler nor mask, since the runner resets both.
 */
[[nodiscard]] int stack_signal() noexcept;

/** Once, before threads start: installs the handler that stack_of() uses. */
void prepare_stacks();

/**
 * The stack of one thread of this process, innermost first, "function+0x12 (module)".  Waits for less than a second.
 * Empty where it cannot be had: the thread is gone, blocks the signal, or prepare_stacks() was not called. Thread-safe.
 */
[[nodiscard]] std::vector<std::string> stack_of(pid_t tid);

/** One line for each address that backtrace(3) wrote, "function+0x12 (module)". */
[[nodiscard]] std::vector<std::string> describe_frames(std::span<void* const> frames);

} // namespace belay::daemon
