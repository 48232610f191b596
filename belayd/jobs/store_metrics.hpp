#pragma once
#include "base/byte_size.hpp"
#include "belayd/jobs/job.hpp"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>
#include <prometheus/registry.h>

#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace belay::jobs {

/** What the store counts as it happens. */
struct StoreMetrics {
    explicit StoreMetrics(prometheus::Registry& registry);

    prometheus::Histogram& commit_seconds;
    prometheus::Histogram& batch_events;
    prometheus::Counter& pruned;
};

/** What its thread publishes for others to read. */
struct StoreGauges {
    std::array<std::atomic<std::uint64_t>, job_states> jobs{};
    std::atomic<Bytes> wal_bytes{0};
    std::atomic<Bytes> free_bytes{0};

    mutable std::mutex mutex; // guards oldest_ready
    std::map<std::string, Time> oldest_ready;
};

/** The gauges at scrape time. */
void collect(const StoreGauges& gauges, bool available, std::vector<prometheus::MetricFamily>& out);

} // namespace belay::jobs
