#include "daemon/loop_thread.hpp"

#include "daemon/log.hpp"
#include "daemon/pulse.hpp"

#include <exception>

namespace belay::daemon {
namespace {

void run_loop(asio::io_context& io, Heartbeat& heartbeat)
{
    const Pulse pulse{io, heartbeat};
    for (;;) {
        try {
            io.run();
            return;
        } catch (const std::exception& e) { // an exception of one handler must not end the others
            log::error("unexpected exception in loop, continuing", {{"loop", heartbeat.loop()}, {"error", e.what()}});
        }
    }
}

} // namespace

LoopThread::LoopThread(Threads& threads, std::string name, std::source_location creator)
    : work_(asio::make_work_guard(io_)),
      thread_(threads.start(std::move(name), [this](Heartbeat& heartbeat) { run_loop(io_, heartbeat); }, creator))
{
}

LoopThread::~LoopThread()
{
    stop();
}

void LoopThread::stop()
{
    work_.reset();
    io_.stop();
    thread_.join();
}

} // namespace belay::daemon
