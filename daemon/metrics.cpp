#include "daemon/metrics.hpp"

#include "daemon/carried_metrics.hpp"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <iterator>

namespace belay::daemon {
namespace {

prometheus::MetricFamily make_family(
    std::string name, std::string help, prometheus::MetricType type, const std::vector<Sample>& samples)
{
    prometheus::MetricFamily family;
    family.name = std::move(name);
    family.help = std::move(help);
    family.type = type;
    for (const auto& sample : samples) {
        prometheus::ClientMetric metric;
        for (const auto& [label, value] : sample.labels)
            metric.label.push_back({label, value});
        if (type == prometheus::MetricType::Counter)
            metric.counter.value = sample.value;
        else
            metric.gauge.value = sample.value;
        family.metric.push_back(std::move(metric));
    }
    return family;
}

} // namespace

std::size_t Metrics::add(Collector collector)
{
    const std::scoped_lock lock{mutex_};
    collectors_.emplace_back(next_handle_, std::move(collector));
    return next_handle_++;
}

void Metrics::remove(std::size_t handle)
{
    const std::scoped_lock lock{mutex_}; // held by text() too: when this returns, the collector does not run
    std::erase_if(collectors_, [handle](const auto& entry) { return entry.first == handle; });
}

Metrics::Families Metrics::collect() const
{
    std::vector<prometheus::MetricFamily> families = registry_.Collect();
    {
        const std::scoped_lock lock{mutex_};
        for (const auto& [handle, collect] : collectors_)
            collect(families);
    }
    // Two sources may contribute to one family, which the format allows only once.
    Families merged;
    for (auto& family : families) {
        auto [known, is_new] = merged.try_emplace(family.name, family);
        if (!is_new)
            std::move(family.metric.begin(), family.metric.end(), std::back_inserter(known->second.metric));
    }
    for (const auto& carried : carried_)
        if (auto [known, is_new] = merged.try_emplace(carried.name, carried); !is_new)
            add_carried(carried, known->second);
    return merged;
}

std::string Metrics::text() const
{
    std::vector<prometheus::MetricFamily> sorted;
    for (auto& [name, family] : collect())
        if (!family.metric.empty())
            sorted.push_back(std::move(family));
    return prometheus::TextSerializer{}.Serialize(sorted);
}

boost::json::value Metrics::handed() const
{
    std::vector<prometheus::MetricFamily> lasting;
    for (auto& [name, family] : collect())
        if (is_lasting(family))
            lasting.push_back(std::move(family));
    return to_json(lasting);
}

void Metrics::resume(const boost::json::value& handed)
{
    carried_ = carried_families(handed);
}

prometheus::MetricFamily gauge_family(std::string name, std::string help, std::vector<Sample> samples)
{
    return make_family(std::move(name), std::move(help), prometheus::MetricType::Gauge, samples);
}

prometheus::MetricFamily counter_family(std::string name, std::string help, std::vector<Sample> samples)
{
    return make_family(std::move(name), std::move(help), prometheus::MetricType::Counter, samples);
}

} // namespace belay::daemon
