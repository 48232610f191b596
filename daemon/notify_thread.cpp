#include "daemon/notify_thread.hpp"

#include "daemon/log.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <system_error>

namespace belay::daemon {
namespace {

using namespace std::chrono_literals;

/** For pings not to be late: who waits for a delivery has a limit of its own. */
constexpr auto barrier_patience = 1s;

/** Ends a blocked send: its handler does nothing, and without SA_RESTART sendmsg(2) then fails with EINTR. */
int interrupt_signal() noexcept
{
    return SIGRTMIN + 2;
}

void allow_interruption() noexcept
{
    struct sigaction action{};
    action.sa_handler = [](int) {};
    ::sigaction(interrupt_signal(), &action, nullptr);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, interrupt_signal());
    ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

} // namespace

/** Messages that are wanted all or not at all; guarded by the thread's mutex. */
struct NotifyThread::Delivery {
    bool failed = false;   // one of them could not be sent
    bool given_up = false; // what waits of them is not to be sent
};

/** One awaited flush; `timer` and `done` are touched, and it ends, on its executor only: whose loop may end right then.
 */
struct NotifyThread::Flush {
    Flush(std::uint64_t wanted, asio::any_io_executor executor, std::chrono::milliseconds timeout)
        : states(wanted), timer(std::move(executor), timeout)
    {
    }

    const std::uint64_t states; // how many state messages must have been sent
    asio::steady_timer timer;
    bool done = false;
};

NotifyThread::NotifyThread(Threads& threads)
{
    if (!signals::has_service_manager())
        return;
    finished_ = false;
    thread_ = threads.start("notify", [this](Heartbeat& heartbeat) { run(heartbeat); });
}

NotifyThread::~NotifyThread()
{
    stop(0ms);
}

void NotifyThread::state(std::string message)
{
    const std::scoped_lock lock{mutex_};
    if (stopping_ || finished_)
        return;
    if (message.find("STATUS=") != std::string::npos)
        status_.reset();
    enqueue({.notification = {std::move(message)}, .delivery = nullptr});
}

void NotifyThread::enqueue(Message message)
{
    states_.push_back(std::move(message));
    ++asked_;
    changed_.notify_all();
}

void NotifyThread::status(std::string_view text)
{
    const std::scoped_lock lock{mutex_};
    status_ = signals::status_assignment(text);
    changed_.notify_all();
}

void NotifyThread::ping()
{
    const std::scoped_lock lock{mutex_};
    ping_ = true;
    changed_.notify_all();
}

asio::awaitable<bool> NotifyThread::flush(std::chrono::milliseconds timeout)
{
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    std::shared_ptr<Flush> flush;
    {
        const std::scoped_lock lock{mutex_};
        if (finished_ || sent_ == asked_)
            co_return true;
        flush = std::make_shared<Flush>(asked_, executor, timeout);
        flushes_.push_back(flush);
    }
    co_return co_await wait_for(std::move(flush));
}

asio::awaitable<bool> NotifyThread::deliver(
    std::vector<signals::Notification> messages, std::chrono::milliseconds timeout)
{
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const auto delivery = std::make_shared<Delivery>();
    std::shared_ptr<Flush> flush;
    {
        const std::scoped_lock lock{mutex_};
        if (stopping_ || finished_)
            co_return false;
        flush = std::make_shared<Flush>(asked_ + messages.size() + 1, executor, timeout);
        for (signals::Notification& message : messages)
            enqueue({.notification = std::move(message), .delivery = delivery});
        enqueue({.notification = {}, .delivery = delivery, .barrier = true});
        flushes_.push_back(flush);
    }
    const bool sent = co_await wait_for(std::move(flush));
    const std::scoped_lock lock{mutex_};
    delivery->given_up = true;
    co_return sent && !delivery->failed;
}

asio::awaitable<bool> NotifyThread::wait_for(std::shared_ptr<Flush> flush)
{
    error_code ec;
    co_await flush->timer.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    const std::scoped_lock lock{mutex_};
    flushes_.remove(flush); // from here on the thread does not touch our executor
    co_return flush->done;
}

void NotifyThread::stop(std::chrono::milliseconds patience)
{
    {
        std::unique_lock lock{mutex_};
        stopping_ = true;
        changed_.notify_all();
        const auto finished = [this] { return finished_; };
        if (!changed_.wait_for(lock, patience, finished)) {
            abandoned_ = true;
            do // again and again: a signal just before the send blocks would be lost on it
                ::syscall(SYS_tgkill, ::getpid(), tid_, interrupt_signal());
            while (!changed_.wait_for(lock, 5ms, finished));
        }
    }
    thread_.join();
}

void NotifyThread::run(Heartbeat& heartbeat)
{
    allow_interruption();
    std::unique_lock lock{mutex_};
    tid_ = ::gettid();
    while (!stopping_) {
        heartbeat.beat();
        changed_.wait_for(
            lock, Heartbeat::interval, [this] { return stopping_ || !states_.empty() || status_ || ping_; });
        send_waiting(lock, heartbeat);
    }
    send_waiting(lock, heartbeat);
    finished_ = true;
    flushes_.clear();
    changed_.notify_all();
}

void NotifyThread::send_waiting(std::unique_lock<std::mutex>& lock, Heartbeat& heartbeat)
{
    while (!abandoned_) {
        if (!states_.empty()) {
            const Message message = std::move(states_.front());
            states_.pop_front();
            const bool wanted = !message.delivery || !message.delivery->given_up;
            if (wanted && send(lock, heartbeat, message) != 0 && message.delivery)
                message.delivery->failed = true;
            ++sent_;
            complete_flushes();
        } else if (std::exchange(ping_, false)) {
            (void)send(lock, heartbeat, {.notification = {"WATCHDOG=1"}, .delivery = nullptr});
        } else if (status_) {
            (void)send(lock, heartbeat, {.notification = {*std::exchange(status_, std::nullopt)}, .delivery = nullptr});
        } else {
            return;
        }
    }
}

/** @return an error number */
int NotifyThread::send(std::unique_lock<std::mutex>& lock, Heartbeat& heartbeat, const Message& message)
{
    lock.unlock();
    int error = 0;
    {
        const Heartbeat::HarmlessWait wait{heartbeat};
        error = message.barrier
                    ? signals::await_barrier(barrier_patience)
                    : signals::send_notification(message.notification.text, message.notification.descriptors);
    }
    lock.lock();
    if (error != 0 && error != last_error_ && !abandoned_)
        log::warning("cannot tell the service manager, ignoring", {{"error", std::system_category().message(error)}});
    last_error_ = error;
    return error;
}

void NotifyThread::complete_flushes()
{
    while (!flushes_.empty() && flushes_.front()->states <= sent_) {
        std::shared_ptr<Flush> flush = std::move(flushes_.front());
        flushes_.pop_front();
        const asio::any_io_executor executor = flush->timer.get_executor();
        asio::post(executor, [flush = std::move(flush)] {
            flush->done = true;
            flush->timer.cancel();
        });
    }
}

} // namespace belay::daemon
