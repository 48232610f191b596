#include "belayd/jobs/store_metrics.hpp"

#include "daemon/metrics.hpp"

#include <chrono>
#include <utility>

namespace belay::jobs {

StoreMetrics::StoreMetrics(prometheus::Registry& registry)
    : commit_seconds(prometheus::BuildHistogram()
              .Name("belay_store_commit_seconds")
              .Help("Time of a transaction of the store, sync included")
              .Register(registry)
              .Add({}, prometheus::Histogram::BucketBoundaries{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                           0.25, 0.5, 1, 2.5})),
      batch_events(prometheus::BuildHistogram()
              .Name("belay_store_batch_events")
              .Help("Operations that shared a transaction and its sync")
              .Register(registry)
              .Add({}, prometheus::Histogram::BucketBoundaries{1, 2, 4, 8, 16, 32, 64, 128, 256, 512})),
      pruned(prometheus::BuildCounter()
              .Name("belay_store_pruned_total")
              .Help("Finished jobs deleted after the retention time")
              .Register(registry)
              .Add({}))
{
}

void collect(const StoreGauges& gauges, bool available, std::vector<prometheus::MetricFamily>& out)
{
    using daemon::gauge_family;
    std::vector<daemon::Sample> jobs;
    jobs.reserve(job_states);
    for (std::size_t state = 0; state < job_states; ++state)
        jobs.push_back({{{"state", std::string{to_string(static_cast<JobState>(state))}}},
            static_cast<double>(gauges.jobs[state].load())});
    std::vector<daemon::Sample> ages;
    {
        const std::scoped_lock lock{gauges.mutex};
        for (const auto& [hook, enqueued] : gauges.oldest_ready)
            ages.push_back({{{"hook", hook}}, std::chrono::duration<double>(now() - enqueued).count()});
    }
    out.push_back(gauge_family("belay_jobs", "Jobs in the store", std::move(jobs)));
    out.push_back(gauge_family(
        "belay_oldest_ready_age_seconds", "Since the first enqueue of the oldest job that is due", std::move(ages)));
    out.push_back(gauge_family("belay_store_wal_bytes", "Write-ahead log not yet copied into the database",
        {{{}, static_cast<double>(gauges.wal_bytes.load())}}));
    out.push_back(gauge_family("belay_store_free_bytes", "Free space where the database is",
        {{{}, static_cast<double>(gauges.free_bytes.load())}}));
    out.push_back(
        gauge_family("belay_store_available", "Whether the store takes writes", {{{}, available ? 1.0 : 0.0}}));
}

} // namespace belay::jobs
