#pragma once
#include "base/uuid.hpp"

#include <sys/types.h>

#include <functional>
#include <optional>
#include <vector>

/** What /proc tells of other processes, proc(5).  A process that is gone or not ours to read has none of it. */
namespace belay::jobs {

/** For which job a process runs: the BELAY_JOB_ID in the environment that it was started with. */
struct ProcessJob {
    std::optional<Uuid> job;
    bool in_transition = false; ///< it cannot be told now: the process is in the middle of execve(2) or of its exit
};
[[nodiscard]] ProcessJob job_of(pid_t process);

/** The children of all its threads. */
[[nodiscard]] std::vector<pid_t> children_of(pid_t process);

/** The children of one thread of a process, adopted ones included; not yet reaped ones too.
 *  Nothing if the kernel does not tell (CONFIG_PROC_CHILDREN). */
[[nodiscard]] std::optional<std::vector<pid_t>> children_of_thread(pid_t process, pid_t thread);

/** Every process that `wanted` says yes to; this one is left out.  Reads all of /proc: milliseconds. */
[[nodiscard]] std::vector<pid_t> find_processes(const std::function<bool(pid_t)>& wanted);

} // namespace belay::jobs
