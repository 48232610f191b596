#include "belayd/jobs/attempt_metrics.hpp"

namespace belay::jobs {
namespace {

/** From a script of one line to a build: seconds. */
const prometheus::Histogram::BucketBoundaries durations{0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600};
const prometheus::Histogram::BucketBoundaries waits{0.01, 0.1, 1, 10, 60, 600, 3600};

} // namespace

AttemptMetrics::AttemptMetrics(daemon::Metrics& metrics)
    : attempts_(prometheus::BuildCounter()
              .Name("belay_attempts_total")
              .Help("Attempts that have ended, by outcome.")
              .Register(metrics.registry())),
      duration_(prometheus::BuildHistogram()
              .Name("belay_attempt_duration_seconds")
              .Help("How long attempts ran.")
              .Register(metrics.registry())),
      queue_wait_(prometheus::BuildHistogram()
              .Name("belay_queue_wait_seconds")
              .Help("From a job's first enqueue to the start of its first attempt.")
              .Register(metrics.registry())),
      running_(
          prometheus::BuildGauge().Name("belay_jobs_running").Help("Jobs that run now.").Register(metrics.registry()))
{
}

AttemptMetrics::Hook& AttemptMetrics::of(const std::string& hook)
{
    const auto known = hooks_.find(hook);
    if (known != hooks_.end())
        return known->second;
    Hook series{&running_.Add({{"hook", hook}}), &duration_.Add({{"hook", hook}}, durations),
        &queue_wait_.Add({{"hook", hook}}, waits), {}};
    for (std::size_t i = 0; i < outcomes; ++i)
        series.attempts[i] =
            &attempts_.Add({{"hook", hook}, {"outcome", std::string{to_string(static_cast<Outcome>(i))}}});
    return hooks_.emplace(hook, series).first->second;
}

} // namespace belay::jobs
