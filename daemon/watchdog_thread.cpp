#include "daemon/watchdog_thread.hpp"

#include <utility>

namespace belay::daemon {

WatchdogThread::WatchdogThread(Threads& threads, NotifyThread& notify,
    std::optional<std::chrono::microseconds> interval, WedgeNote note, std::function<void()> turns_again)
    : watchdog_(threads, notify, interval, std::move(note), std::move(turns_again)),
      thread_(threads.start("watchdog", [this](Heartbeat& heartbeat) { run(heartbeat); }))
{
}

WatchdogThread::~WatchdogThread()
{
    stop();
}

void WatchdogThread::ping()
{
    watchdog_.ping_soon();
    const std::scoped_lock lock{mutex_};
    woken_ = true;
    changed_.notify_all();
}

void WatchdogThread::stop()
{
    {
        const std::scoped_lock lock{mutex_};
        stopping_ = true;
        changed_.notify_all();
    }
    thread_.join();
}

void WatchdogThread::run(Heartbeat& heartbeat)
{
    std::unique_lock lock{mutex_};
    while (!stopping_) {
        lock.unlock(); // a tick takes long where threads do not tell their stacks
        heartbeat.beat();
        watchdog_.tick(Watchdog::Clock::now());
        lock.lock();
        changed_.wait_for(lock, watchdog_.period(), [this] { return stopping_ || std::exchange(woken_, false); });
    }
}

} // namespace belay::daemon
