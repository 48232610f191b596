#pragma once
#include "daemon/handover.hpp"
#include "daemon/leak_check.hpp"
#include "daemon/log_thread.hpp"
#include "signals/passed_sockets.hpp"

#include <boost/json/value.hpp>

#include <sys/types.h>

#include <set>
#include <vector>

namespace belay::daemon {

/**
 * The leak check around the life of a daemon: a census at construction, the comparison and its log records at the end.
 * From construction on orphans are adopted, adopt_orphans().
 *
 * The thread "log" writes the result, so it is checked last, and by itself.
 */
class LeakReport {
public:
    /** @param passed sockets the service manager brought: not ours to keep, so no part of the census
     *  @param predecessor what an upgrade brought, or null: not ours to keep either, nor are the jobs that run.
     *  @throws HandoverError */
    LeakReport(const Threads& threads, LogThread& log, const std::vector<signals::PassedSocket>& passed,
        const Handover* predecessor);

    /** Those that were there before the daemon, its predecessors by upgrade included: nobody's jobs. */
    [[nodiscard]] std::set<pid_t> strangers() const;

    /** Of these the next image must know, which cannot tell them from jobs. */
    [[nodiscard]] boost::json::value handed() const;

    /** Logs one record when clean, or one for each leak and their counts; stops the log thread. @return clean? */
    [[nodiscard]] bool check();

private:
    const Threads& threads_;
    LogThread& log_;
    Census before_;
};

} // namespace belay::daemon
