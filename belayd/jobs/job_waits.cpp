#include "belayd/jobs/job_waits.hpp"

#include <boost/asio/post.hpp>

#include <functional>
#include <utility>

namespace belay::jobs {

/** All but `jobs` and `executor` is touched on the executor only. */
struct JobWaits::Waiter {
    Waiter(std::vector<Uuid> waited_for, asio::any_io_executor its_executor)
        : jobs(std::move(waited_for)), executor(std::move(its_executor)), timer(executor)
    {
    }

    void tell(bool Waiter::* what)
    {
        this->*what = true;
        timer.cancel();
    }

    const std::vector<Uuid> jobs;
    const asio::any_io_executor executor;
    asio::steady_timer timer;
    bool changed = false;
    bool over = false;
};

JobWaits::Place::Place(JobWaits& waits, std::shared_ptr<Waiter> waiter) noexcept
    : waits_(waits), waiter_(std::move(waiter))
{
}

JobWaits::Place::~Place()
{
    if (waiter_)
        waits_.leave(*waiter_);
}

asio::awaitable<bool> JobWaits::Place::changed(Clock::time_point deadline)
{
    while (!waiter_->changed && !waiter_->over && Clock::now() < deadline) {
        waiter_->timer.expires_at(deadline);
        error_code woken;
        co_await waiter_->timer.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    }
    co_return std::exchange(waiter_->changed, false); // which may have come just before the end
}

std::function<void()> JobWaits::Place::give_up() const
{
    return [waiter = std::weak_ptr<Waiter>{waiter_}] {
        if (const auto living = waiter.lock())
            living->tell(&Waiter::over);
    };
}

std::optional<JobWaits::Place> JobWaits::enter(std::vector<Uuid> jobs, asio::any_io_executor executor)
{
    auto waiter = std::make_shared<Waiter>(std::move(jobs), std::move(executor));
    const std::scoped_lock lock{mutex_};
    if (!open_ || size_ >= limit_)
        return std::nullopt;
    ++size_;
    for (const Uuid& job : waiter->jobs)
        waiters_.emplace(job, waiter);
    return std::make_optional<Place>(*this, std::move(waiter));
}

void JobWaits::leave(const Waiter& waiter) noexcept
{
    const std::scoped_lock lock{mutex_};
    --size_;
    for (const Uuid& job : waiter.jobs) {
        auto [first, last] = waiters_.equal_range(job);
        while (first != last)
            first = first->second.get() == &waiter ? waiters_.erase(first) : std::next(first);
    }
}

void JobWaits::ended(const std::vector<Uuid>& jobs)
{
    const std::scoped_lock lock{mutex_};
    if (waiters_.empty())
        return;
    for (const Uuid& job : jobs) {
        auto [first, last] = waiters_.equal_range(job);
        for (; first != last; ++first)
            asio::post(first->second->executor, [waiter = first->second] { waiter->tell(&Waiter::changed); });
    }
}

void JobWaits::release()
{
    const std::scoped_lock lock{mutex_};
    open_ = false;
    for (const auto& [job, waiter] : waiters_)
        asio::post(waiter->executor, [waiter = waiter] { waiter->tell(&Waiter::over); });
}

void JobWaits::open()
{
    const std::scoped_lock lock{mutex_};
    open_ = true;
}

std::size_t JobWaits::size() const
{
    const std::scoped_lock lock{mutex_};
    return size_;
}

} // namespace belay::jobs
