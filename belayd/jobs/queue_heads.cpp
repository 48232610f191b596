#include "belayd/jobs/queue_heads.hpp"

namespace belay::jobs {

std::set<std::string> QueueHeads::take_stale()
{
    looked_up_.insert(stale_.begin(), stale_.end());
    return std::exchange(stale_, {});
}

void QueueHeads::rollback() noexcept
{
    stale_.merge(looked_up_);
    looked_up_.clear();
}

void QueueHeads::set(const std::string& hook, const Heads& heads)
{
    looked_up_.insert(hook);
    const auto known = heads_.try_emplace(hook).first;
    const std::string_view name = known->first;
    if (known->second.ready)
        ready_.erase({known->second.ready->job, name});
    if (known->second.delayed)
        delayed_.erase({known->second.delayed->run_at, name});
    if (!heads.ready && !heads.delayed) {
        heads_.erase(known);
        return;
    }
    known->second = heads;
    if (heads.ready)
        ready_.emplace(heads.ready->job, name);
    if (heads.delayed)
        delayed_.emplace(heads.delayed->run_at, name);
}

} // namespace belay::jobs
