#pragma once
#include "daemon/stacks.hpp"
#include "daemon/threads.hpp"

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace belay::daemon {

/** What a process holds that it must give back: read from /proc/self/task, /proc/self/fd and its children. */
struct Census {
    std::set<pid_t> threads;
    std::map<int, std::string> descriptors; ///< number → what readlink says, and both ends of a socket
    std::map<pid_t, pid_t> children;        ///< and theirs → the parent; not yet reaped ones included
};

[[nodiscard]] Census take_census();

/**
 * Makes this process the parent of its descendants' orphans (PR_SET_CHILD_SUBREAPER, prctl(2)): one that forks twice to
 * get away would be in no census.  Who starts processes that do has the orphans to reap.
 */
void adopt_orphans() noexcept;

/** One thing left behind. */
struct Leak {
    enum class Kind : std::uint8_t { thread, descriptor, child } kind;
    std::string what; ///< "thread http-0 (tid 123) created at daemon/x.cpp:12, in futex_wait", "fd 9 → socket:[…]", …
    std::vector<std::string> stack; ///< of a thread, innermost first; empty where it could not be had
};

/**
 * The counterpart of a goroutine-leak check: what is there now and was not there before.
 *
 * Retries until nothing is left or `patience` has passed, since a joined thread stays in /proc for an instant.
 */
[[nodiscard]] std::vector<Leak> find_leaks(
    const Census& before, const Threads& threads, std::chrono::milliseconds patience = std::chrono::milliseconds{100});

/** The threads of this process. */
[[nodiscard]] std::set<pid_t> thread_ids();

/** As the kernel has it. */
[[nodiscard]] std::string thread_name(pid_t tid);

/** "thread http-0 (tid 123) created at daemon/x.cpp:12, in futex_wait": also for reports of healthy threads. */
[[nodiscard]] std::string describe_thread(pid_t tid, const std::vector<ThreadRecord>& known);

/** Of a thread that daemon::Threads does not know: "function+0x12 (module) < …", the stack that created it; "" if
 * nobody recorded that. */
[[nodiscard]] std::string describe_creator(pid_t tid);

/** The kernel function a thread sleeps in; "" if it runs, or the kernel does not tell. */
[[nodiscard]] std::string wait_channel(pid_t tid);

/** "daemon/x.cpp:12", relative to the source tree. */
[[nodiscard]] std::string describe(const std::source_location& place);

} // namespace belay::daemon
