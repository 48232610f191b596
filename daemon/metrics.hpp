#pragma once
#include <boost/json/value.hpp>
#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>
#include <prometheus/registry.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace belay::daemon {

/**
 * The metrics of the process: prometheus-cpp's registry for what is counted as it happens, collectors for what is read
 * at scrape time.
 *
 * Names: `belay_` prefix, base units, `_total` for counters.  Labels come from the configuration only, never from a
 * request.  Family::Add looks a series up (110 ns): keep the reference.
 *
 * Lifetime: outlives what it collects; remove() a collector before what it reads goes away.  Thread-safe.
 */
class Metrics {
public:
    using Collector = std::function<void(std::vector<prometheus::MetricFamily>& out)>;

    [[nodiscard]] prometheus::Registry& registry() noexcept { return registry_; }

    /** Calls `collector` at each scrape, on the scraping thread. @return a handle for remove() */
    std::size_t add(Collector collector);
    void remove(std::size_t handle);

    /** Counters and histograms as they stand, for the next image of the daemon; not process_*, which the kernel keeps.
     */
    [[nodiscard]] boost::json::value handed() const;

    /** From now on what handed() of a predecessor said is added to what is counted here.  Before the first scrape. */
    void resume(const boost::json::value& handed);

    /** The text exposition format 0.0.4, `promtool check metrics` clean: each family once, in the order of names. */
    [[nodiscard]] std::string text() const;

private:
    using Families = std::map<std::string, prometheus::MetricFamily>;

    [[nodiscard]] Families collect() const;

    prometheus::Registry registry_{prometheus::Registry::InsertBehavior::Merge};
    mutable std::mutex mutex_; // guards collectors_
    std::vector<std::pair<std::size_t, Collector>> collectors_;
    std::size_t next_handle_ = 0;
    std::vector<prometheus::MetricFamily> carried_; // by a predecessor
};

/** process_cpu_seconds_total, process_open_fds, process_resident_memory_bytes, process_threads, …: from /proc/self. */
[[nodiscard]] Metrics::Collector process_metrics();

/** One gauge sample: for collectors. */
struct Sample {
    std::vector<std::pair<std::string, std::string>> labels;
    double value;
};
[[nodiscard]] prometheus::MetricFamily gauge_family(std::string name, std::string help, std::vector<Sample> samples);
[[nodiscard]] prometheus::MetricFamily counter_family(std::string name, std::string help, std::vector<Sample> samples);

} // namespace belay::daemon
