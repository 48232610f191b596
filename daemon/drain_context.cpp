#include "daemon/service.hpp"

#include <boost/system/system_error.hpp>

#include <utility>

namespace belay::daemon {

DrainContext::DrainContext(asio::io_context& main, Clock::time_point deadline, std::chrono::milliseconds drain_timeout,
    std::function<void(std::string_view phase, std::string_view waiting_for)> report)
    : soft_deadline_(Clock::now() + drain_timeout), deadline_(deadline), report_(std::move(report)),
      hurry_(main, asio::steady_timer::time_point::max())
{
}

asio::awaitable<void> DrainContext::until_hurried()
{
    if (hurried_)
        co_return;
    error_code ec;
    co_await hurry_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    if (!hurried_) // the waiting was cancelled, not the timer
        throw boost::system::system_error{asio::error::operation_aborted};
}

void DrainContext::report(std::string_view phase, std::string_view waiting_for)
{
    report_(phase, waiting_for);
}

void DrainContext::hurry()
{
    hurried_ = true;
    hurry_.cancel();
}

} // namespace belay::daemon
