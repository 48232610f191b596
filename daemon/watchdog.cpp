#include "daemon/watchdog.hpp"

#include "base/timestamp.hpp"
#include "daemon/leak_check.hpp"
#include "daemon/log.hpp"
#include "daemon/notify_thread.hpp"
#include "daemon/stacks.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace belay::daemon {
namespace {

std::optional<Heartbeat::Clock::duration> half(std::optional<std::chrono::microseconds> interval)
{
    if (!interval)
        return std::nullopt;
    return *interval / 2; // as sd_watchdog_enabled(3) recommends
}

Wedge describe_wedge(const ThreadRecord& thread, Heartbeat::Clock::time_point now)
{
    const auto last_turn = std::chrono::system_clock::now() - thread.heartbeat->age(now);
    return {thread.name, format_timestamp(std::chrono::time_point_cast<std::chrono::microseconds>(last_turn)),
        wait_channel(thread.tid), fmt::format("{}", fmt::join(stack_of(thread.tid), " < "))};
}

} // namespace

Watchdog::Watchdog(const Threads& threads, NotifyThread& notify, std::optional<std::chrono::microseconds> interval,
    WedgeNote note, std::function<void()> turns_again)
    : threads_(threads), notify_(notify), ping_interval_(half(interval)), note_(std::move(note)),
      turns_again_(std::move(turns_again))
{
}

Watchdog::Clock::duration Watchdog::wedge_limit(std::optional<std::chrono::microseconds> interval) noexcept
{
    const Clock::duration most{Heartbeat::usual_wedge_limit};
    return std::clamp<Clock::duration>(half(interval).value_or(most), 2 * Heartbeat::interval, most);
}

Watchdog::Clock::duration Watchdog::period() const noexcept
{
    const Clock::duration look{Heartbeat::interval};
    return ping_interval_ ? std::min(look, *ping_interval_) : look;
}

void Watchdog::tick(Clock::time_point now)
{
    Wedges wedges = look(now);
    report(wedges);
    {
        const std::scoped_lock lock{mutex_};
        wedged_.swap(wedges);
    }
    const Wedges& before = wedges;
    if (std::ranges::any_of(before, [&](const auto& wedge) { return !wedged_.contains(wedge.first); }))
        turns_again_();
    if (ping_interval_ && !stopping_) {
        if (wedged_.empty())
            ping(now);
        else if (last_ping_ && !triggered_)
            trigger(before, now);
    }
    keep_note(before);
}

/** The loops that this look and the one before found wedged. */
Watchdog::Wedges Watchdog::look(Clock::time_point now)
{
    std::set<std::string> suspected;
    Wedges wedges;
    for (const auto& thread : threads_.running()) {
        if (!thread.heartbeat->wedged(now))
            continue;
        suspected.insert(thread.name);
        if (const auto known = wedged_.find(thread.name); known != wedged_.end())
            wedges.insert(*known);
        else if (suspected_.contains(thread.name))
            wedges.emplace(thread.name, describe_wedge(thread, now));
    }
    suspected_ = std::move(suspected);
    return wedges;
}

/** What changed.  It waits for nobody: both have threads of their own. */
void Watchdog::report(const Wedges& wedges)
{
    for (const auto& [loop, wedge] : wedges)
        if (!wedged_.contains(loop)) {
            log::error("loop is wedged",
                {{"loop", loop}, {"since", wedge.since}, {"wait_channel", wedge.wait_channel}, {"stack", wedge.stack}});
            notify_.status(fmt::format("loop {} is wedged", loop));
        }
    for (const auto& [loop, wedge] : wedged_)
        if (!wedges.contains(loop))
            log::warning("loop turns again", {{"loop", loop}});
}

/** Where something changed.  Blocks as long as the disk does. */
void Watchdog::keep_note(const Wedges& before) const
{
    const auto loop = &Wedges::value_type::first;
    if (std::ranges::equal(wedged_, before, {}, loop, loop))
        return;
    const Heartbeat::DiskWait wait;
    if (wedged_.empty()) {
        note_.remove();
        return;
    }
    std::vector<Wedge> list;
    for (const auto& [name, wedge] : wedged_)
        list.push_back(wedge);
    note_.write(list);
}

void Watchdog::ping(Clock::time_point now)
{
    // Half a period early rather than half a period late: ticks do not fall on the interval.
    const bool due = last_ping_ && now - *last_ping_ + period() / 2 >= *ping_interval_;
    if (!ping_at_once_.exchange(false) && !due)
        return;
    notify_.ping();
    last_ping_ = now;
    triggered_ = false;
}

/** @param before those of which the next start will know */
void Watchdog::trigger(const Wedges& before, Clock::time_point now)
{
    const auto interval = 2 * *ping_interval_;
    const auto too_long = [&](const ThreadRecord& thread) {
        return wedged_.contains(thread.name) && before.contains(thread.name) && thread.heartbeat->age(now) >= interval;
    };
    if (!std::ranges::any_of(threads_.running(), too_long))
        return;
    notify_.state("WATCHDOG=trigger");
    triggered_ = true;
}

std::string Watchdog::wedged() const
{
    const std::scoped_lock lock{mutex_};
    std::vector<std::string> loops;
    for (const auto& [loop, wedge] : wedged_)
        loops.push_back(loop);
    return fmt::format("{}", fmt::join(loops, ", "));
}

} // namespace belay::daemon
