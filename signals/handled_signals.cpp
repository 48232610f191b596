#include "signals/handled_signals.hpp"

namespace belay::signals {
namespace {

sigset_t handled_set() noexcept
{
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : handled_signals)
        sigaddset(&set, signal);
    return set;
}

} // namespace

void block_handled_signals() noexcept
{
    const sigset_t set = handled_set();
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);
}

void unblock_handled_signals() noexcept
{
    const sigset_t set = handled_set();
    ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

bool stop_is_pending() noexcept
{
    sigset_t set;
    sigemptyset(&set);
    ::sigpending(&set);
    return sigismember(&set, SIGTERM) == 1 || sigismember(&set, SIGINT) == 1;
}

void forget_pending_stop() noexcept
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    const timespec at_once{};
    while (::sigtimedwait(&set, nullptr, &at_once) > 0) {
    }
}

SignalQueue::SignalQueue(asio::io_context& io) : set_(io)
{
    for (const int signal : handled_signals)
        set_.add(signal);
}

asio::awaitable<int> SignalQueue::next()
{
    co_return co_await set_.async_wait(asio::use_awaitable);
}

} // namespace belay::signals
