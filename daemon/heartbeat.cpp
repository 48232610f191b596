#include "daemon/heartbeat.hpp"

#include "base/failpoint.hpp"

#include <utility>

namespace belay::daemon {
namespace {

Heartbeat::Clock::duration since(Heartbeat::Clock::rep begin, Heartbeat::Clock::time_point now) noexcept
{
    return now.time_since_epoch() - Heartbeat::Clock::duration{begin};
}

thread_local Heartbeat* of_this_thread = nullptr;

} // namespace

Heartbeat::Heartbeat(std::string loop, Clock::duration wedge_limit)
    : loop_(std::move(loop)), wedge_limit_(wedge_limit), last_beat_(Clock::now().time_since_epoch().count())
{
}

void Heartbeat::beat() noexcept
{
    mark_now();
    failpoint(loop_, ".turn");
}

void Heartbeat::set_of_this_thread(Heartbeat* heartbeat) noexcept
{
    of_this_thread = heartbeat;
}

void Heartbeat::mark_now() noexcept
{
    last_beat_.store(Clock::now().time_since_epoch().count(), std::memory_order_relaxed);
}

Heartbeat::Wait::Wait(Heartbeat* heartbeat, Clock::rep since) noexcept : heartbeat_(heartbeat)
{
    if (heartbeat_ == nullptr)
        return;
    if (heartbeat_->wait_since_.load(std::memory_order_relaxed) != 0)
        heartbeat_ = nullptr; // within another, which goes on
    else
        heartbeat_->wait_since_.store(since, std::memory_order_relaxed);
}

Heartbeat::Wait::~Wait()
{
    if (heartbeat_ == nullptr)
        return;
    heartbeat_->mark_now(); // first: a reader must not see the end of the wait with the beat of before it
    heartbeat_->wait_since_.store(0, std::memory_order_release);
}

Heartbeat::DiskWait::DiskWait(Heartbeat& heartbeat) noexcept : Wait(&heartbeat, Clock::now().time_since_epoch().count())
{
    failpoint(heartbeat.loop(), ".disk");
}

Heartbeat::DiskWait::DiskWait() noexcept : Wait(of_this_thread, Clock::now().time_since_epoch().count())
{
    if (of_this_thread != nullptr)
        failpoint(of_this_thread->loop(), ".disk");
}

Heartbeat::HarmlessWait::HarmlessWait(Heartbeat& heartbeat) noexcept : Wait(&heartbeat, harmless) {}

Heartbeat::Clock::duration Heartbeat::age(Clock::time_point now) const noexcept
{
    return since(last_beat_.load(std::memory_order_relaxed), now);
}

Heartbeat::Clock::duration Heartbeat::disk_wait(Clock::time_point now) const noexcept
{
    const auto begin = wait_since_.load(std::memory_order_acquire);
    return begin == 0 || begin == harmless ? Clock::duration::zero() : since(begin, now);
}

bool Heartbeat::wedged(Clock::time_point now) const noexcept
{
    return wait_since_.load(std::memory_order_acquire) == 0 && age(now) > wedge_limit_;
}

} // namespace belay::daemon
