#pragma once
#include "belayd/config/rate_limit.hpp"

#include <boost/json/fwd.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace belay::hooks {

/**
 * A token bucket, kept as the time at which it will be full again: one number, which any thread changes without a lock.
 *
 * Its limit is told with each call.  Thread-safe.
 */
class Bucket {
public:
    using Clock = std::chrono::steady_clock;

    /** Takes a token. @return 0, or after how long there will be one */
    [[nodiscard]] Clock::duration take(const config::RateLimit& limit, Clock::time_point now) noexcept;

    [[nodiscard]] std::int64_t full_at() const noexcept { return full_at_.load(std::memory_order_relaxed); }
    void set_full_at(std::int64_t time) noexcept { full_at_.store(time, std::memory_order_relaxed); }

private:
    std::atomic<std::int64_t> full_at_{0}; // nanoseconds of Clock, which goes on across execve
};

/**
 * The token buckets of hooks and of who sends to them, one for all loops.
 *
 * Sources share a table of fixed size.  A new one takes the place of the bucket that is, or will soonest be, full among
 * the few places that its hash gives it, and starts with what that had: so nobody gains tokens by pushing others out,
 * and who has spent most is pushed out last.  To be short of tokens for somebody else's sake takes thousands of
 * addresses (of IPv6: networks), each close to its limit; the hash has a secret key, so that none can be aimed at.
 *
 * Threads: take() is thread-safe and takes no lock; the rest wants one caller at a time, and is done with before take()
 * is called for what it returned.
 */
class RateLimiter {
public:
    using Clock = Bucket::Clock;

    /** With full buckets. */
    RateLimiter();

    /** With those of a predecessor. @throws std::exception if that is not what to_json() returned */
    explicit RateLimiter(const boost::json::value& handed);
    ~RateLimiter();
    RateLimiter(const RateLimiter&) = delete;
    RateLimiter& operator=(const RateLimiter&) = delete;
    RateLimiter(RateLimiter&&) = delete;
    RateLimiter& operator=(RateLimiter&&) = delete;

    /** That of the hook; the same as long as anybody has it and the limit is the same. */
    [[nodiscard]] std::shared_ptr<Bucket> of_hook(const std::string& hook, const config::RateLimit& limit);

    /** What stands for the hook and this limit in take(): with another limit, sources begin with full buckets. */
    [[nodiscard]] std::uint64_t of_sources(const std::string& hook, const config::RateLimit& limit);

    /** Takes a token of who sends to a hook. @return as Bucket::take() */
    [[nodiscard]] Clock::duration take(
        std::uint64_t hook, std::string_view source, const config::RateLimit& limit, Clock::time_point now) noexcept;

    /** The buckets that are not full, for the next image. */
    [[nodiscard]] boost::json::object to_json(Clock::time_point now) const;

private:
    static constexpr std::size_t places = 65'536; ///< 1 MiB
    static constexpr std::size_t ways = 8;        ///< places of one source

    struct Source {
        std::atomic<std::uint64_t> key{0}; // 0: nobody's
        Bucket bucket;
    };
    struct OfHook {
        config::RateLimit limit;
        std::weak_ptr<Bucket> bucket;
    };

    void make_places();
    [[nodiscard]] Bucket& find(std::uint64_t key) noexcept;

    std::array<std::uint64_t, 2> key_{};
    std::unique_ptr<std::array<Source, places>> sources_; // none before it is wanted
    std::map<std::string, OfHook> hooks_;
    std::map<std::string, std::shared_ptr<Bucket>> handed_; // by hook and limit, until they are asked for
};

/** What is counted as one source: of an IPv6 address its /64, which is the least that a site has. */
[[nodiscard]] std::string source_of(std::string_view address);

} // namespace belay::hooks
