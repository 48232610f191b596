#pragma once
#include "base/uuid.hpp"
#include "belayd/jobs/job.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace belay::jobs {

/**
 * Which job of each hook is next, and when its first delayed one is due: so that a claim costs what has changed since
 * the last one, and not a look at every hook.
 *
 * A hook whose queue changes is stale until it is looked up again; so is one that a transaction looked up which was
 * rolled back.  Confined to one thread at a time, that of the database.
 */
class QueueHeads {
public:
    struct Ready {
        Uuid job;
        Time enqueued;
        Time run_at;
    };
    struct Delayed {
        Time run_at;
        Time enqueued;
    };
    struct Heads {
        std::optional<Ready> ready;
        std::optional<Delayed> delayed;
    };

    void mark_stale(const std::string& hook) { stale_.insert(hook); }

    /** The hooks to look up with set(), no longer stale then. */
    [[nodiscard]] std::set<std::string> take_stale();
    void set(const std::string& hook, const Heads& heads);

    void commit() noexcept { looked_up_.clear(); }
    void rollback() noexcept;

    // Valid as long as nothing is stale, until the next set():
    using ByHook = std::map<std::string, Heads, std::less<>>;
    [[nodiscard]] const ByHook& by_hook() const noexcept { return heads_; }
    [[nodiscard]] const std::set<std::pair<Uuid, std::string_view>>& ready() const noexcept { return ready_; }
    [[nodiscard]] const std::set<std::pair<Time, std::string_view>>& delayed() const noexcept { return delayed_; }

private:
    ByHook heads_;                                      // of hooks that have jobs queued; the views are of its keys
    std::set<std::pair<Uuid, std::string_view>> ready_; // UUIDv7: smaller is older
    std::set<std::pair<Time, std::string_view>> delayed_;
    std::set<std::string> stale_;
    std::set<std::string> looked_up_; // by the transaction
};

} // namespace belay::jobs
