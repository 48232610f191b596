#include "belayd/hooks/rate_limiter.hpp"

#include "base/ip_network.hpp"
#include "base/siphash.hpp"
#include "belayd/config/rate_limit_schema.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <random>
#include <span>
#include <stdexcept>

namespace belay::hooks {
namespace {

namespace json = boost::json;

static_assert(std::atomic<std::int64_t>::is_always_lock_free && std::atomic<std::uint64_t>::is_always_lock_free);

std::int64_t nanoseconds(std::chrono::steady_clock::time_point time)
{
    return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

std::string name_of(const std::string& hook, const config::RateLimit& limit)
{
    return hook + ' ' + config::to_string(limit); // a hook's name has no space
}

std::array<std::uint64_t, 2> make_key()
{
    std::random_device random;
    const auto word = [&random] { return std::uint64_t{random()} << 32 | random(); };
    return {word(), word()};
}

} // namespace

Bucket::Clock::duration Bucket::take(const config::RateLimit& limit, Clock::time_point time) noexcept
{
    const std::int64_t token = std::chrono::nanoseconds{limit.period}.count() / static_cast<std::int64_t>(limit.count);
    const std::int64_t all = token * static_cast<std::int64_t>(limit.count);
    const std::int64_t now = nanoseconds(time);
    std::int64_t full_at = full_at_.load(std::memory_order_relaxed);
    std::int64_t next = 0;
    do { // another limit may have left it emptier than empty
        next = std::clamp(full_at, now, now + all) + token;
        if (next > now + all)
            return std::chrono::nanoseconds{next - now - all};
    } while (!full_at_.compare_exchange_weak(full_at, next, std::memory_order_relaxed));
    return Clock::duration::zero();
}

RateLimiter::RateLimiter() : key_(make_key()) {}

RateLimiter::RateLimiter(const json::value& handed)
{
    const json::object& document = handed.as_object();
    for (std::size_t i = 0; i < key_.size(); ++i)
        key_[i] = document.at("key").as_array().at(i).to_number<std::uint64_t>();
    for (const auto& [name, full_at] : document.at("hooks").as_object()) {
        auto bucket = std::make_shared<Bucket>();
        bucket->set_full_at(full_at.to_number<std::int64_t>());
        handed_.emplace(name, std::move(bucket));
    }
    const json::array& sources = document.at("sources").as_array();
    if (sources.size() % 2 != 0)
        throw std::invalid_argument{"a source without a time"};
    for (std::size_t i = 0; i < sources.size(); i += 2) {
        make_places();
        find(sources[i].to_number<std::uint64_t>()).set_full_at(sources[i + 1].to_number<std::int64_t>());
    }
}

RateLimiter::~RateLimiter() = default;

std::shared_ptr<Bucket> RateLimiter::of_hook(const std::string& hook, const config::RateLimit& limit)
{
    OfHook& known = hooks_[hook];
    auto bucket = known.bucket.lock();
    if (bucket && known.limit == limit)
        return bucket;
    const auto handed = handed_.extract(name_of(hook, limit));
    bucket = handed ? handed.mapped() : std::make_shared<Bucket>();
    known = {limit, bucket};
    return bucket;
}

std::uint64_t RateLimiter::of_sources(const std::string& hook, const config::RateLimit& limit)
{
    make_places();
    return siphash(key_, name_of(hook, limit));
}

void RateLimiter::make_places()
{
    if (!sources_)
        sources_ = std::make_unique<std::array<Source, places>>();
}

RateLimiter::Clock::duration RateLimiter::take(
    std::uint64_t hook, std::string_view source, const config::RateLimit& limit, Clock::time_point now) noexcept
{
    return find(siphash({key_[0] ^ hook, key_[1]}, source)).take(limit, now);
}

/**
 * Races cost at most an error of a few tokens: two loops may give one source two places, of which the first is used
 * from then on, and a token may be taken of a bucket that has just changed hands.
 */
Bucket& RateLimiter::find(std::uint64_t key) noexcept
{
    key = std::max<std::uint64_t>(key, 1);
    const std::span<Source> set{sources_->data() + key % (places / ways) * ways, ways};
    for (Source& source : set)
        if (source.key.load(std::memory_order_relaxed) == key)
            return source.bucket;
    const auto fullest =
        std::ranges::min_element(set, {}, [](const Source& source) { return source.bucket.full_at(); });
    fullest->key.store(key, std::memory_order_relaxed);
    return fullest->bucket;
}

json::object RateLimiter::to_json(Clock::time_point now) const
{
    const std::int64_t time = nanoseconds(now);
    json::object hooks;
    for (const auto& [hook, known] : hooks_)
        if (const auto bucket = known.bucket.lock(); bucket && bucket->full_at() > time)
            hooks[name_of(hook, known.limit)] = bucket->full_at();
    json::array sources;
    if (sources_)
        for (const Source& source : *sources_)
            if (source.bucket.full_at() > time) {
                sources.emplace_back(source.key.load(std::memory_order_relaxed));
                sources.emplace_back(source.bucket.full_at());
            }
    return {{"key", json::array{key_[0], key_[1]}}, {"hooks", std::move(hooks)}, {"sources", std::move(sources)}};
}

std::string source_of(std::string_view address)
{
    const auto parsed = parse_ip_address(address);
    if (!parsed)
        return std::string{address}; // "unix"
    const auto* const bytes = reinterpret_cast<const char*>(parsed->bytes.data());
    return parsed->is_ipv4() ? std::string{bytes + 12, 4} : std::string{bytes, 8};
}

} // namespace belay::hooks
