#pragma once
#include "belayd/jobs/job.hpp"
#include "daemon/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <array>
#include <map>
#include <string>

namespace belay::jobs {

/**
 * What is counted of attempts, by hook.
 *
 * Threads: confined to the runner's executor; the values are scraped by any.
 */
class AttemptMetrics {
public:
    explicit AttemptMetrics(daemon::Metrics& metrics);

    struct Hook {
        prometheus::Gauge* running;
        prometheus::Histogram* duration;
        prometheus::Histogram* queue_wait; ///< from enqueue to the first attempt
        std::array<prometheus::Counter*, outcomes> attempts;
    };

    /** The series of one hook: created all at once when it is first asked for. */
    [[nodiscard]] Hook& of(const std::string& hook);

private:
    prometheus::Family<prometheus::Counter>& attempts_;
    prometheus::Family<prometheus::Histogram>& duration_;
    prometheus::Family<prometheus::Histogram>& queue_wait_;
    prometheus::Family<prometheus::Gauge>& running_;
    std::map<std::string, Hook> hooks_;
};

} // namespace belay::jobs
