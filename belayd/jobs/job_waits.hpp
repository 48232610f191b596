#pragma once
#include "base/asio.hpp"
#include "base/uuid.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace belay::jobs {

/**
 * Who waits for jobs to end: a bounded number, woken by the store's thread when they do.
 *
 * Threads: a Place is confined to the executor it was entered for; the rest is thread-safe.
 */
class JobWaits {
    struct Waiter;

public:
    using Clock = std::chrono::steady_clock;

    /** @param limit each place costs a connection and a timer */
    explicit JobWaits(std::size_t limit = 1'000) : limit_(limit) {}

    /** Takes part while it lives.  Borrows the JobWaits. */
    class Place {
    public:
        Place(JobWaits& waits, std::shared_ptr<Waiter> waiter) noexcept;
        Place(Place&& other) noexcept = default;
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;
        Place& operator=(Place&&) = delete;
        ~Place();

        /** Returns when a job may have ended since the last call or enter(). @return false: none has, and it is
         *  `deadline`, or give_up() or release() was called: wait no longer */
        [[nodiscard]] asio::awaitable<bool> changed(Clock::time_point deadline);

        /** What ends changed(), on the same executor; does nothing when the place is gone. */
        [[nodiscard]] std::function<void()> give_up() const;

    private:
        JobWaits& waits_;
        std::shared_ptr<Waiter> waiter_;
    };

    /** Nothing where as many wait as may, or nobody shall.  What has ended before is not told: look after entering. */
    [[nodiscard]] std::optional<Place> enter(std::vector<Uuid> jobs, asio::any_io_executor executor);

    /** Wakes whoever waits for one of them. */
    void ended(const std::vector<Uuid>& jobs);

    /** Nobody waits any more, until open(). */
    void release();
    void open();

    [[nodiscard]] std::size_t size() const;

private:
    void leave(const Waiter& waiter) noexcept;

    const std::size_t limit_;
    mutable std::mutex mutex_; // guards the rest
    bool open_ = true;
    std::size_t size_ = 0;
    std::multimap<Uuid, std::shared_ptr<Waiter>> waiters_; // by each job
};

} // namespace belay::jobs
