#include "http/server_loop.hpp"

#include "http/connection.hpp"

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace belay::http {
namespace {

using namespace std::chrono_literals;

/** Deadlines are late by up to this. */
constexpr auto longest_sweep = 1s;

/** While connections are to go. */
constexpr auto drain_sweep = 20ms;

/** Whatever ends the sweep, nothing sweeps afterwards. */
class EndOfSweep {
public:
    explicit EndOfSweep(bool& sweeping) noexcept : sweeping_(sweeping) {}
    EndOfSweep(const EndOfSweep&) = delete;
    EndOfSweep& operator=(const EndOfSweep&) = delete;
    ~EndOfSweep() { sweeping_ = false; }

private:
    bool& sweeping_;
};

ServerLoop::Clock::duration sweep_interval(const Limits& limits)
{
    const Milliseconds shortest = std::min(
        {limits.header_timeout, limits.body_timeout, limits.write_timeout, limits.idle_timeout, limits.linger_timeout});
    return std::clamp<ServerLoop::Clock::duration>(shortest / 4, 5ms, longest_sweep);
}

/** IMF-fixdate, RFC 9110 §5.6.7; strftime's names would depend on the locale. */
std::string format_date(std::time_t time)
{
    constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr const char* months[] = {
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    std::tm tm{};
    ::gmtime_r(&time, &tm);
    return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
        tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

} // namespace

ServerLoop::ServerLoop(ServerContext& context, unsigned index)
    : context_(context), index_(index), io_(*context.options.loops.at(index)),
      limits_(std::make_shared<const Limits>(context.options.limits)), sweep_interval_(sweep_interval(*limits_)),
      sweep_timer_(io_), tasks_(io_.get_executor(), [&context](std::string_view task, std::exception_ptr error) {
          context.warn_of(task, std::move(error));
      })
{
}

void ServerLoop::set_limits(std::shared_ptr<const Limits> limits)
{
    limits_ = std::move(limits);
    sweep_interval_ = std::min(sweep_interval_, sweep_interval(*limits_)); // older connections keep their deadlines
}

void ServerLoop::adopt(Accepted accepted)
{
    auto connection = std::make_unique<Connection>(*this, std::move(accepted));
    begin_sweep();
    tasks_.spawn("connection", Connection::serve(std::move(connection)));
}

void ServerLoop::deliver(Accepted accepted)
{
    asio::post(io_, [this, accepted = std::move(accepted)]() mutable {
        try {
            adopt(std::move(accepted));
        } catch (...) {
            context_.warn_of("connection", std::current_exception());
        }
    });
}

void ServerLoop::enter(Connection& connection)
{
    connection.index = connections_.size();
    connections_.push_back(&connection);
    auto& fresh = counts.by_state[static_cast<std::size_t>(ConnectionState::fresh)];
    fresh.store(fresh.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    if (drain_end_)
        connection.begin_drain(*drain_end_);
    if (freezing_)
        connection.freeze();
}

void ServerLoop::leave(Connection& connection, ConnectionState state) noexcept
{
    connections_.back()->index = connection.index;
    connections_[connection.index] = connections_.back();
    connections_.pop_back();
    auto& count = counts.by_state[static_cast<std::size_t>(state)];
    count.store(count.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
    if (connections_.empty())
        sweep_timer_.cancel();
    for (Waiter* const waiter : waiters_)
        waiter->timer.cancel();
}

void ServerLoop::begin_sweep()
{
    if (sweeping_)
        return;
    sweeping_ = true; // before: it turns at once, and may come to its end
    try {
        tasks_.spawn("sweep", sweep());
    } catch (...) {
        sweeping_ = false;
        throw;
    }
}

/** Turns while there are connections. */
asio::awaitable<void> ServerLoop::sweep()
{
    const EndOfSweep end{sweeping_}; // also if memory runs out: the next connection begins another
    while (!connections_.empty()) {
        const bool leaving = !waiters_.empty() || std::ranges::any_of(connections_, &Connection::draining);
        sweep_timer_.expires_after(leaving ? std::min<Clock::duration>(sweep_interval_, drain_sweep) : sweep_interval_);
        error_code ec;
        co_await sweep_timer_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
        const auto now = Clock::now();
        sweep_interval_ = sweep_interval(*limits_);
        for (Connection* const connection : connections_) {
            if (&connection->limits() != limits_.get()) // it began before a reload
                sweep_interval_ = std::min(sweep_interval_, sweep_interval(connection->limits()));
            connection->enforce_deadline(now);
            connection->look_for_peer();
        }
    }
}

void ServerLoop::drain(const ListenerTag& listener, Clock::time_point end)
{
    if (!listener)
        drain_end_ = end;
    for (Connection* const connection : connections_)
        if (!listener || connection->listener() == listener)
            connection->begin_drain(end);
    sweep_timer_.cancel(); // deadlines have come nearer
}

bool ServerLoop::has_any_of(const ListenerTag& listener) const noexcept
{
    return std::ranges::any_of(
        connections_, [&](const Connection* connection) { return !listener || connection->listener() == listener; });
}

asio::awaitable<void> ServerLoop::wait_until_gone(ListenerTag listener, Clock::time_point deadline)
{
    Waiter waiter{*this};
    sweep_timer_.cancel(); // to turn faster from now on
    while (has_any_of(listener) && Clock::now() < deadline) {
        waiter.timer.expires_at(deadline);
        error_code ec;
        co_await waiter.timer.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    }
}

void ServerLoop::freeze()
{
    freezing_ = true;
    for (Connection* const connection : connections_)
        connection->freeze();
}

std::vector<HandedConnection> ServerLoop::thaw()
{
    freezing_ = false;
    for (Connection* const connection : connections_)
        connection->thaw();
    return std::exchange(handed_, {});
}

void ServerLoop::abort_waiting() noexcept
{
    for (Connection* const connection : connections_)
        if (connection->waiting())
            connection->abort();
}

void ServerLoop::abort_all()
{
    for (Connection* const connection : connections_)
        connection->abort();
    tasks_.request_stop();
}

asio::awaitable<void> ServerLoop::wait_until_closed()
{
    co_await tasks_.wait_until_empty();
}

std::string_view ServerLoop::date()
{
    const std::time_t now = std::time(nullptr);
    if (now != date_second_) {
        date_second_ = now;
        date_ = format_date(now);
    }
    return date_;
}

} // namespace belay::http
