#include "daemon/threads.hpp"

#include "daemon/log.hpp"
#include "daemon/stacks.hpp"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <csignal>
#include <exception>
#include <future>

namespace belay::daemon {
namespace {

constexpr std::size_t kernel_name_size = 15; // pthread_setname_np(3), without the final NUL

void name_current_thread(const std::string& name)
{
    (void)::pthread_setname_np(::pthread_self(), name.substr(0, kernel_name_size).c_str());
}

/**
 * Blocks every signal while it stands, so that a thread created meanwhile inherits that: all but the one that asks for
 * its stack, and those of its own faults, which a sanitizer or a debugger wants to see.
 */
class AllSignalsBlocked {
public:
    AllSignalsBlocked() noexcept
    {
        sigset_t all;
        sigfillset(&all);
        for (const int signal : {stack_signal(), SIGSEGV, SIGBUS, SIGFPE, SIGILL})
            sigdelset(&all, signal);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~AllSignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    AllSignalsBlocked(const AllSignalsBlocked&) = delete;
    AllSignalsBlocked& operator=(const AllSignalsBlocked&) = delete;
    AllSignalsBlocked(AllSignalsBlocked&&) = delete;
    AllSignalsBlocked& operator=(AllSignalsBlocked&&) = delete;

private:
    sigset_t before_{};
};

} // namespace

Thread::~Thread()
{
    join();
}

void Thread::join()
{
    if (thread_.joinable())
        thread_.join();
}

Threads::Threads(Heartbeat::Clock::duration wedge_limit) : wedge_limit_(wedge_limit) {}

Threads::~Threads()
{
    assert(records_.empty());
}

Thread Threads::start(std::string name, std::function<void(Heartbeat&)> body, std::source_location creator)
{
    auto heartbeat = std::make_shared<Heartbeat>(name, wedge_limit_);
    std::promise<void> known; // so that running() names the thread as soon as start() has returned
    auto is_known = known.get_future();
    const AllSignalsBlocked blocked;
    std::thread thread{[this, name, creator, heartbeat, body = std::move(body), &known] {
        name_current_thread(name);
        Heartbeat::set_of_this_thread(heartbeat.get());
        std::list<ThreadRecord>::iterator record;
        {
            const std::scoped_lock lock{mutex_};
            record = records_.insert(
                records_.end(), ThreadRecord{name, ::gettid(), creator, std::chrono::steady_clock::now(), heartbeat});
        }
        known.set_value();
        try {
            body(*heartbeat);
        } catch (const std::exception& e) {
            log::error("thread failed, terminating", {{"thread", name}, {"error", e.what()}});
            log::flush();
            std::terminate();
        }
        const std::scoped_lock lock{mutex_};
        records_.erase(record);
    }};
    is_known.wait();
    return Thread{std::move(thread)};
}

std::shared_ptr<Heartbeat> Threads::adopt_current(std::string name, std::source_location creator)
{
    auto heartbeat = std::make_shared<Heartbeat>(name, wedge_limit_);
    Heartbeat::set_of_this_thread(heartbeat.get());
    const std::scoped_lock lock{mutex_};
    records_.push_back({std::move(name), ::gettid(), creator, std::chrono::steady_clock::now(), heartbeat});
    return heartbeat;
}

void Threads::release_current() noexcept
{
    Heartbeat::set_of_this_thread(nullptr);
    const std::scoped_lock lock{mutex_};
    records_.remove_if([](const ThreadRecord& record) { return record.tid == ::gettid(); });
}

std::vector<ThreadRecord> Threads::running() const
{
    const std::scoped_lock lock{mutex_};
    return {records_.begin(), records_.end()};
}

std::vector<ThreadRecord> Threads::wedged(Heartbeat::Clock::time_point now) const
{
    std::vector<ThreadRecord> wedged;
    const std::scoped_lock lock{mutex_};
    for (const ThreadRecord& record : records_)
        if (record.heartbeat->wedged(now))
            wedged.push_back(record);
    return wedged;
}

} // namespace belay::daemon
