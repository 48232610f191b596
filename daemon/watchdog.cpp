#include "daemon/watchdog.hpp"

#include "daemon/log.hpp"
#include "daemon/notify_thread.hpp"
#include "daemon/stacks.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace belay::daemon {
namespace {

std::optional<Heartbeat::Clock::duration> half(std::optional<std::chrono::microseconds> interval)
{
    if (!interval)
        return std::nullopt;
    return *interval / 2; // as sd_watchdog_enabled(3) recommends
}

} // namespace

Watchdog::Watchdog(const Threads& threads, NotifyThread& notify, std::optional<std::chrono::microseconds> interval)
    : threads_(threads), notify_(notify), ping_interval_(half(interval))
{
}

Watchdog::Clock::duration Watchdog::period() const noexcept
{
    const Clock::duration look{Heartbeat::interval};
    return ping_interval_ ? std::min(look, *ping_interval_) : look;
}

void Watchdog::tick(Clock::time_point now)
{
    std::set<std::string> suspected;
    std::set<std::string> wedged;
    for (const auto& thread : threads_.running()) {
        if (!thread.heartbeat->wedged(now))
            continue;
        suspected.insert(thread.name);
        if (!suspected_.contains(thread.name))
            continue;
        wedged.insert(thread.name);
        if (!wedged_.contains(thread.name)) {
            log::error("loop is wedged",
                {{"loop", thread.name}, {"stack", fmt::format("{}", fmt::join(stack_of(thread.tid), " < "))}});
            notify_.status(fmt::format("loop {} is wedged", thread.name));
        }
    }
    for (const auto& loop : wedged_)
        if (!wedged.contains(loop))
            log::warning("loop turns again", {{"loop", loop}});
    suspected_ = std::move(suspected);
    wedged_ = std::move(wedged);

    if (!ping_interval_ || !wedged_.empty())
        return;
    // Half a period early rather than half a period late: ticks do not fall on the interval.
    if (!last_ping_ || now - *last_ping_ + period() / 2 >= *ping_interval_) {
        notify_.ping();
        last_ping_ = now;
    }
}

std::string Watchdog::wedged() const
{
    return fmt::format("{}", fmt::join(wedged_, ", "));
}

} // namespace belay::daemon
