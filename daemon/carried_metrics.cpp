#include "daemon/carried_metrics.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <limits>
#include <utility>

namespace belay::daemon {
namespace {

namespace json = boost::json;
using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

json::value to_json(const ClientMetric::Histogram& histogram)
{
    json::array buckets; // the last bound is infinite, which JSON has no number for
    for (const auto& bucket : histogram.bucket)
        buckets.push_back({bucket.upper_bound < std::numeric_limits<double>::infinity() ? bucket.upper_bound : 0,
            bucket.cumulative_count});
    return {{"count", histogram.sample_count}, {"sum", histogram.sample_sum}, {"buckets", std::move(buckets)}};
}

ClientMetric::Histogram histogram_of(const json::value& document)
{
    ClientMetric::Histogram histogram;
    histogram.sample_count = document.at("count").to_number<std::uint64_t>();
    histogram.sample_sum = document.at("sum").to_number<double>();
    for (const json::value& bucket : document.at("buckets").as_array())
        histogram.bucket.push_back({bucket.at(1).to_number<std::uint64_t>(), bucket.at(0).to_number<double>()});
    if (!histogram.bucket.empty())
        histogram.bucket.back().upper_bound = std::numeric_limits<double>::infinity();
    return histogram;
}

bool same_series(const ClientMetric& a, const ClientMetric& b)
{
    return std::ranges::equal(
        a.label, b.label, [](const auto& x, const auto& y) { return x.name == y.name && x.value == y.value; });
}

void add(const ClientMetric::Histogram& carried, ClientMetric::Histogram& to)
{
    const auto same_bound = [](const auto& x, const auto& y) { return x.upper_bound == y.upper_bound; };
    if (!std::ranges::equal(carried.bucket, to.bucket, same_bound))
        return;
    for (std::size_t i = 0; i < to.bucket.size(); ++i)
        to.bucket[i].cumulative_count += carried.bucket[i].cumulative_count;
    to.sample_count += carried.sample_count;
    to.sample_sum += carried.sample_sum;
}

} // namespace

bool is_lasting(const MetricFamily& family)
{
    return (family.type == MetricType::Counter || family.type == MetricType::Histogram) &&
           !family.name.starts_with("process_");
}

json::value to_json(const std::vector<MetricFamily>& families)
{
    json::array document;
    for (const MetricFamily& family : families) {
        json::array series;
        for (const ClientMetric& metric : family.metric) {
            json::array labels;
            for (const auto& label : metric.label)
                labels.push_back({label.name, label.value});
            const bool counts = family.type == MetricType::Counter;
            series.push_back({{"labels", std::move(labels)},
                {"value", counts ? json::value(metric.counter.value) : to_json(metric.histogram)}});
        }
        document.push_back({{"name", family.name}, {"help", family.help},
            {"counter", family.type == MetricType::Counter}, {"series", std::move(series)}});
    }
    return document;
}

std::vector<MetricFamily> carried_families(const json::value& document)
{
    std::vector<MetricFamily> families;
    for (const json::value& item : document.as_array()) {
        MetricFamily family;
        family.name = item.at("name").as_string();
        family.help = item.at("help").as_string();
        family.type = item.at("counter").as_bool() ? MetricType::Counter : MetricType::Histogram;
        for (const json::value& series : item.at("series").as_array()) {
            ClientMetric metric;
            for (const json::value& label : series.at("labels").as_array())
                metric.label.push_back({std::string{label.at(0).as_string()}, std::string{label.at(1).as_string()}});
            if (family.type == MetricType::Counter)
                metric.counter.value = series.at("value").to_number<double>();
            else
                metric.histogram = histogram_of(series.at("value"));
            family.metric.push_back(std::move(metric));
        }
        families.push_back(std::move(family));
    }
    return families;
}

void add_carried(const MetricFamily& carried, MetricFamily& to)
{
    if (carried.type != to.type)
        return;
    for (const ClientMetric& metric : carried.metric) {
        const auto known =
            std::ranges::find_if(to.metric, [&metric](const auto& other) { return same_series(metric, other); });
        if (known == to.metric.end()) {
            to.metric.push_back(metric);
        } else if (to.type == MetricType::Counter) {
            known->counter.value += metric.counter.value;
        } else {
            add(metric.histogram, known->histogram);
        }
    }
}

} // namespace belay::daemon
