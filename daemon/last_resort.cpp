#include "daemon/last_resort.hpp"

#include "daemon/service.hpp"

#include <unistd.h>

#include <algorithm>
#include <utility>

namespace belay::daemon {

LastResort::LastResort(Threads& threads, Clock::time_point deadline, std::function<void()> last_words)
    : deadline_(deadline), last_words_(std::move(last_words)),
      thread_(threads.start("last-resort", [this](Heartbeat& heartbeat) { run(heartbeat); }))
{
}

LastResort::~LastResort()
{
    {
        const std::scoped_lock lock{mutex_};
        disarmed_ = true;
        changed_.notify_all();
    }
    thread_.join();
}

void LastResort::run(Heartbeat& heartbeat)
{
    std::unique_lock lock{mutex_};
    while (!disarmed_ && Clock::now() < deadline_) {
        heartbeat.beat();
        changed_.wait_until(lock, std::min(deadline_, Clock::now() + Heartbeat::interval));
    }
    if (disarmed_)
        return;
    last_words_();
    ::_exit(static_cast<int>(ExitCode::forced)); // no destructors: one of them may be what hangs
}

} // namespace belay::daemon
