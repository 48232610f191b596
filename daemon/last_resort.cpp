#include "daemon/last_resort.hpp"

#include "daemon/service.hpp"
#include "signals/handled_signals.hpp"

#include <unistd.h>

#include <algorithm>
#include <utility>

namespace belay::daemon {
namespace {

constexpr std::chrono::milliseconds signal_check{100};
static_assert(signal_check <= Heartbeat::interval);

} // namespace

LastResort::LastResort(
    Threads& threads, Clock::time_point deadline, std::function<void(std::string_view reason)> last_words)
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
    bool signalled = false;
    while (!disarmed_ && !signalled && Clock::now() < deadline_) {
        heartbeat.beat();
        changed_.wait_until(lock, std::min(deadline_, Clock::now() + signal_check));
        signalled = heeds_signals_ && signals::stop_is_pending();
    }
    if (disarmed_)
        return;
    last_words_(signalled ? "a stop signal while stopping" : "the deadline has passed");
    ::_exit(static_cast<int>(ExitCode::forced)); // no destructors: one of them may be what hangs
}

} // namespace belay::daemon
