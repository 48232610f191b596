#pragma once
#include "daemon/handover.hpp"
#include "daemon/leak_check.hpp"
#include "daemon/log_thread.hpp"
#include "signals/passed_sockets.hpp"

#include <vector>

namespace belay::daemon {

/**
 * The leak check around the life of a daemon: a census at construction, the comparison and its log records at the end.
 *
 * The thread "log" writes the result, so it is checked last, and by itself.
 */
class LeakReport {
public:
    /** @param passed sockets the service manager brought: not ours to keep, so no part of the census
     *  @param predecessor what an upgrade brought, or null: neither that nor the running jobs are ours to keep */
    LeakReport(const Threads& threads, LogThread& log, const std::vector<signals::PassedSocket>& passed,
        const Handover* predecessor);

    /** Logs one record when clean, or one for each leak and their counts; stops the log thread. @return clean? */
    [[nodiscard]] bool check();

private:
    const Threads& threads_;
    LogThread& log_;
    Census before_;
};

} // namespace belay::daemon
