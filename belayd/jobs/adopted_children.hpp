#pragma once
#include "base/uuid.hpp"

#include <sys/types.h>

#include <cstddef>
#include <set>
#include <utility>
#include <vector>

namespace belay::jobs {

/**
 * The orphans that this process has adopted: what an attempt started and what left its process group.
 *
 * The process is made a child subreaper (PR_SET_CHILD_SUBREAPER): whatever a job starts becomes our child when its
 * parent ends, however often it forks or calls setsid().  Without SIGCHLD and without waiting for any child, so that
 * nobody's status is taken: the kernel adopts on behalf of the first living thread, main, whose list of children is
 * read; those that are known as leaders of attempts are left alone, and so are strangers: children that this process
 * had before it became belayd, such as a helper that a container's entry point started.
 *
 * Threads: confined to the runner's executor.
 */
class AdoptedChildren {
public:
    /** @param strangers what descends from this process without its doing. @throws std::system_error */
    explicit AdoptedChildren(std::set<pid_t> strangers = {});

    /** Makes a child known that somebody waits for: it is neither reaped nor killed here until forgotten. */
    void add_leader(pid_t pid) { leaders_.insert(pid); }
    void forget_leader(pid_t pid) { leaders_.erase(pid); }

    /**
     * What there is of a job beside its leader, which is not reaped yet: the leader's descendants, adopted members of
     * its group, what has its BELAY_JOB_ID, and their descendants; and if no other attempt runs, whatever was adopted,
     * since nobody else can have started it.  Reaps the dead on the way.  Cheap once the leader has ended if nothing
     * has been adopted.
     */
    struct Left {
        std::vector<pid_t> processes;
        bool unsure = false; ///< there is one that cannot be told at the moment: ask again
        [[nodiscard]] bool none() const noexcept { return processes.empty() && !unsure; }
    };
    [[nodiscard]] Left left_by(const Uuid& job, pid_t leader);

    /** Every adopted process and its descendants once no attempt runs: nobody else's but ours, except as process 1 and
     *  beside strangers, whose orphans we adopt, too. */
    [[nodiscard]] std::vector<pid_t> strays();

    /** Reaps adopted children that have ended. @return how many live */
    std::size_t reap();

private:
    [[nodiscard]] std::vector<pid_t> living();

    std::set<pid_t> leaders_;
    std::set<pid_t> strangers_;        // that live
    const bool adopts_others_orphans_; // only their environment and group tell whose they are
};

/** Kills what a dead predecessor's attempts of these jobs left running.  Reads all of /proc.
 *  @return what was found: it may take a moment to end */
std::vector<std::pair<pid_t, Uuid>> kill_leftovers(const std::vector<Uuid>& jobs);

} // namespace belay::jobs
