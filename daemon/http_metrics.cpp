#include "daemon/http_metrics.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>

namespace belay::daemon {
namespace {

constexpr std::array bucket_seconds{
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0};
constexpr int lowest_status = 100;
constexpr int highest_status = 599;

/**
 * What one loop has counted of one route.  Of its own cache lines: loops do not slow each other down.  (One
 * prometheus::Histogram for all loops would: each Observe takes its mutex.)
 */
struct alignas(64) Shard {
    std::array<std::atomic<std::uint64_t>, bucket_seconds.size() + 1> buckets{}; // not cumulative; the last is +Inf
    std::atomic<std::uint64_t> nanoseconds{0};
    std::array<std::atomic<std::uint64_t>, highest_status - lowest_status + 1> by_status{};

    void count(int status, std::chrono::nanoseconds duration) noexcept
    {
        const int known = std::clamp(status, lowest_status, highest_status);
        by_status[static_cast<std::size_t>(known - lowest_status)].fetch_add(1, std::memory_order_relaxed);
        const double seconds = std::chrono::duration<double>(duration).count();
        std::size_t bucket = 0;
        while (bucket < bucket_seconds.size() && seconds > bucket_seconds[bucket])
            ++bucket;
        buckets[bucket].fetch_add(1, std::memory_order_relaxed);
        nanoseconds.fetch_add(static_cast<std::uint64_t>(duration.count()), std::memory_order_relaxed);
    }
};

/** The series of one route. */
class RouteSeries {
public:
    RouteSeries(std::string_view pattern, RouteSeries* older) : route(pattern), next(older) {}
    RouteSeries(const RouteSeries&) = delete;
    RouteSeries& operator=(const RouteSeries&) = delete;
    RouteSeries(RouteSeries&&) = delete;
    RouteSeries& operator=(RouteSeries&&) = delete;
    ~RouteSeries()
    {
        for (const auto& shard : shards_)
            delete shard.load(std::memory_order_relaxed);
    }

    /** Made when the loop first answers on this route: without a lock, as all that follows. */
    [[nodiscard]] Shard& shard_of(unsigned loop)
    {
        auto& slot = shards_[loop % shards_.size()];
        if (Shard* const known = slot.load(std::memory_order_acquire))
            return *known;
        auto made = std::make_unique<Shard>();
        Shard* known = nullptr;
        if (slot.compare_exchange_strong(known, made.get(), std::memory_order_acq_rel))
            return *made.release();
        return *known;
    }

    [[nodiscard]] std::vector<const Shard*> shards() const
    {
        std::vector<const Shard*> all;
        for (const auto& slot : shards_)
            if (const Shard* const shard = slot.load(std::memory_order_acquire))
                all.push_back(shard);
        return all;
    }

    const std::string route;
    RouteSeries* const next; // borrowed, as all of them live as long as the table

private:
    std::array<std::atomic<Shard*>, 16> shards_{}; // by loop; more loops than that share
};

prometheus::ClientMetric::Histogram sum_up(const std::vector<const Shard*>& shards)
{
    prometheus::ClientMetric::Histogram histogram;
    std::uint64_t count = 0;
    for (std::size_t i = 0; i <= bucket_seconds.size(); ++i) {
        for (const auto* shard : shards)
            count += shard->buckets[i].load(std::memory_order_relaxed);
        const double bound = i < bucket_seconds.size() ? bucket_seconds[i] : std::numeric_limits<double>::infinity();
        histogram.bucket.push_back({count, bound});
    }
    histogram.sample_count = count;
    for (const auto* shard : shards)
        histogram.sample_sum += static_cast<double>(shard->nanoseconds.load(std::memory_order_relaxed)) / 1e9;
    return histogram;
}

/** All routes a server has met: a list that only grows, so that looking one up takes no lock. */
class RouteTable {
public:
    explicit RouteTable(std::string server) : server_(std::move(server)) {}

    void count(const http::Exchange& exchange)
    {
        series_of(exchange.request.route)
            .shard_of(exchange.request.loop)
            .count(exchange.response.status, exchange.duration);
    }

    void collect(std::vector<prometheus::MetricFamily>& out) const
    {
        std::vector<Sample> requests;
        prometheus::MetricFamily durations;
        durations.name = "belay_http_request_duration_seconds";
        durations.help = "Time from the whole request, with its body, to its answer, by server and route pattern.";
        durations.type = prometheus::MetricType::Histogram;
        for (const RouteSeries* series = newest_.load(std::memory_order_acquire); series != nullptr;
            series = series->next) {
            const std::vector<const Shard*> shards = series->shards();
            for (int status = lowest_status; status <= highest_status; ++status) {
                std::uint64_t count = 0;
                for (const auto* shard : shards)
                    count += shard->by_status[static_cast<std::size_t>(status - lowest_status)].load(
                        std::memory_order_relaxed);
                if (count != 0)
                    requests.push_back(
                        {{{"server", server_}, {"route", series->route}, {"code", std::to_string(status)}},
                            static_cast<double>(count)});
            }
            prometheus::ClientMetric metric;
            metric.label = {{"server", server_}, {"route", series->route}};
            metric.histogram = sum_up(shards);
            durations.metric.push_back(std::move(metric));
        }
        out.push_back(counter_family("belay_http_requests_total",
            "Requests answered, by server, route pattern and status.", std::move(requests)));
        out.push_back(std::move(durations));
    }

private:
    RouteSeries& series_of(std::string_view route)
    {
        if (auto* known = find(route))
            return *known;
        const std::scoped_lock lock{mutex_};
        if (auto* known = find(route)) // met by another loop meanwhile
            return *known;
        owned_.push_back(std::make_unique<RouteSeries>(route, newest_.load(std::memory_order_relaxed)));
        newest_.store(owned_.back().get(), std::memory_order_release);
        return *owned_.back();
    }

    [[nodiscard]] RouteSeries* find(std::string_view route) const noexcept
    {
        RouteSeries* series = newest_.load(std::memory_order_acquire);
        while (series != nullptr && series->route != route)
            series = series->next;
        return series;
    }

    const std::string server_;
    std::atomic<RouteSeries*> newest_{nullptr};
    std::mutex mutex_; // guards owned_
    std::vector<std::unique_ptr<RouteSeries>> owned_;
};

} // namespace

http::Observer http_metrics(Metrics& metrics, std::string server)
{
    const auto table = std::make_shared<RouteTable>(std::move(server));
    metrics.add([table](std::vector<prometheus::MetricFamily>& out) { table->collect(out); });
    return [table](const http::Exchange& exchange) { table->count(exchange); };
}

Metrics::Collector connection_metrics(const http::Server& server, std::string name)
{
    return [&server, name = std::move(name)](std::vector<prometheus::MetricFamily>& out) {
        const auto counts = server.connections();
        std::vector<Sample> samples;
        for (std::size_t i = 0; i < counts.size(); ++i) {
            const auto state = to_string(static_cast<http::ConnectionState>(i));
            samples.push_back({{{"server", name}, {"state", std::string{state}}}, static_cast<double>(counts[i])});
        }
        out.push_back(gauge_family("belay_connections", "Connections by state.", std::move(samples)));
        const auto refused = server.refused_connections();
        out.push_back(counter_family("belay_connections_refused_total",
            "Connections refused, by the cap that they were over: of the server in total, or of one address.",
            {{{{"server", name}, {"reason", "total"}}, static_cast<double>(refused.total)},
                {{{"server", name}, {"reason", "address"}}, static_cast<double>(refused.address)}}));
    };
}

} // namespace belay::daemon
