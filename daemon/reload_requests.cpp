#include "daemon/reload_requests.hpp"

#include <algorithm>
#include <utility>

namespace belay::daemon {
namespace {

asio::awaitable<void> wait_until_cancelled(asio::steady_timer& timer)
{
    error_code ec;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ec));
}

} // namespace

/** A reload asked for, perhaps by several; shared with those who wait for it. */
struct ReloadRequests::Reload {
    explicit Reload(asio::io_context& main) : done(main, asio::steady_timer::time_point::max()) {}

    Request request;
    bool awaited = false; // by somebody who is told the verdict
    ReloadVerdict verdict{false, "the daemon is stopping"};
    asio::steady_timer done; // never expires; cancelled when the verdict stands
};

ReloadRequests::ReloadRequests(asio::io_context& main)
    : main_(main), asked_(main, asio::steady_timer::time_point::max()),
      left_verdict_stands_(main, asio::steady_timer::time_point::max())
{
}

std::shared_ptr<ReloadRequests::Reload> ReloadRequests::add(Scope scope)
{
    if (!next_)
        next_ = std::make_shared<Reload>(main_);
    next_->request = {std::max(next_->request.scope, scope), Clock::now()};
    asked_.cancel();
    return next_;
}

void ReloadRequests::request(Scope scope)
{
    add(scope);
}

asio::awaitable<ReloadVerdict> ReloadRequests::verdict(Scope scope)
{
    const auto reload = add(scope);
    reload->awaited = true;
    if (leaving_) {
        reload->verdict.left_to_successor = true;
        co_return reload->verdict;
    }
    co_await wait_until_cancelled(reload->done);
    co_return reload->verdict;
}

asio::awaitable<ReloadVerdict> ReloadRequests::left_verdict()
{
    const std::uint64_t upgrades = upgrades_begun_;
    while (!left_verdict_ && upgrades == upgrades_begun_)
        co_await wait_until_cancelled(left_verdict_stands_);
    co_return left_verdict_.value_or(ReloadVerdict{false, {}, /*left_to_successor=*/true}); // once more
}

void ReloadRequests::settle_left(ReloadVerdict verdict)
{
    left_verdict_ = std::move(verdict);
    left_verdict_stands_.cancel();
}

asio::awaitable<void> ReloadRequests::wait()
{
    co_await wait_until_cancelled(asked_);
}

void ReloadRequests::interrupt()
{
    asked_.cancel();
}

std::optional<ReloadRequests::Request> ReloadRequests::begin()
{
    current_ = std::exchange(next_, nullptr);
    return current_ ? std::optional{current_->request} : std::nullopt;
}

void ReloadRequests::conclude(ReloadVerdict verdict)
{
    const std::shared_ptr<Reload> reload = std::exchange(current_, nullptr);
    const bool left = reload->verdict.left_to_successor; // and there is none: who waited asks again
    reload->verdict = verdict;
    if (left && next_ && next_->awaited && next_->verdict.left_to_successor) {
        // Who asks again cannot be told from those who asked for the next one: it is done for all of them.
        next_->request.scope = std::max(next_->request.scope, reload->request.scope);
    } else if (left) {
        settle_left(std::move(verdict));
    }
    reload->done.cancel();
}

void ReloadRequests::end()
{
    if (!left_verdict_)
        settle_left({false, "the daemon is stopping"});
    if (next_) // came too late
        next_->done.cancel();
}

void ReloadRequests::leave_waiters()
{
    left_verdict_.reset();
    ++upgrades_begun_;
    left_verdict_stands_.cancel(); // of an upgrade before, undone
    leaving_ = true;
    for (const auto& reload : {current_, next_})
        if (reload) {
            reload->verdict.left_to_successor = true;
            reload->done.cancel();
        }
}

} // namespace belay::daemon
