#pragma once
#include <boost/json/value.hpp>
#include <prometheus/metric_family.h>

#include <vector>

/** What counts on from one image of the daemon to the next. */
namespace belay::daemon {

/** Counters and histograms; not those of the process, which the kernel keeps, and not what is a state. */
[[nodiscard]] bool is_lasting(const prometheus::MetricFamily& family);

[[nodiscard]] boost::json::value to_json(const std::vector<prometheus::MetricFamily>& families);

/** The counterpart. @throws std::exception for what is no such document */
[[nodiscard]] std::vector<prometheus::MetricFamily> carried_families(const boost::json::value& document);

/** Adds series by series; histograms whose buckets have other bounds stay as they are. */
void add_carried(const prometheus::MetricFamily& carried, prometheus::MetricFamily& to);

} // namespace belay::daemon
