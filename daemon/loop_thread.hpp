#pragma once
#include "base/asio.hpp"
#include "daemon/threads.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/steady_timer.hpp>

#include <source_location>
#include <string>

namespace belay::daemon {

/**
 * An io_context and the named thread that runs it, beating from a timer on the loop itself.
 *
 * Where it is made through a template (std::optional::emplace, std::make_unique), pass the creator: the default would
 * be a line of the template's.
 *
 * An exception that escapes a handler is logged with the loop's name and the loop goes on.
 *
 * Lifetime: what runs on io() must have ended before stop(); stop() joins the thread.
 * Threads: constructed and stopped by one thread; io() is thread-safe as asio::io_context is.
 */
class LoopThread {
public:
    LoopThread(Threads& threads, std::string name, std::source_location creator = std::source_location::current());
    ~LoopThread();
    LoopThread(const LoopThread&) = delete;
    LoopThread& operator=(const LoopThread&) = delete;
    LoopThread(LoopThread&&) = delete;
    LoopThread& operator=(LoopThread&&) = delete;

    [[nodiscard]] asio::io_context& io() noexcept { return io_; }

    /** Ends the loop once its present handlers are done, and joins.  Repeating it is fine. */
    void stop();

private:
    asio::io_context io_{1};
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    Thread thread_;
};

} // namespace belay::daemon
