#include "daemon/metrics.hpp"

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/counter.h>
#include <prometheus/histogram.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <ranges>

namespace belay::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/** The one sample of that family. */
double value_of(Metrics& metrics, const std::string& name)
{
    const std::string text = metrics.text();
    const auto at = text.find('\n' + name + ' ');
    EXPECT_NE(at, text.npos) << name << " is not in\n" << text;
    return at == text.npos ? -1 : std::stod(text.substr(at + name.size() + 2));
}

TEST(Metrics, ShowsRegistryAndCollectorsInTheOrderOfNames)
{
    Metrics metrics;
    prometheus::BuildCounter()
        .Name("belay_b_total")
        .Help("B.")
        .Register(metrics.registry())
        .Add({{"x", "1"}})
        .Increment(2);
    metrics.add([](auto& out) { out.push_back(gauge_family("belay_a", "A.", {{{{"y", "q\"\n"}}, 1.5}})); });
    EXPECT_EQ(metrics.text(), "# HELP belay_a A.\n# TYPE belay_a gauge\nbelay_a{y=\"q\\\"\\n\"} 1.5\n"
                              "# HELP belay_b_total B.\n# TYPE belay_b_total counter\nbelay_b_total{x=\"1\"} 2\n");
}

TEST(Metrics, JoinsFamiliesOfOneName)
{
    Metrics metrics;
    for (const double value : {1.0, 2.0})
        metrics.add([value](auto& out) {
            out.push_back(gauge_family("belay_a", "A.", {{{{"n", std::to_string(int(value))}}, value}}));
        });
    EXPECT_EQ(metrics.text(), "# HELP belay_a A.\n# TYPE belay_a gauge\nbelay_a{n=\"1\"} 1\nbelay_a{n=\"2\"} 2\n");
}

TEST(Metrics, CountsOnFromWhatAPredecessorCounted)
{
    const auto build = [](Metrics& metrics, const char* series) {
        prometheus::BuildCounter()
            .Name("belay_c_total")
            .Help("C.")
            .Register(metrics.registry())
            .Add({{"s", series}})
            .Increment(2);
        prometheus::BuildHistogram()
            .Name("belay_h")
            .Help("H.")
            .Register(metrics.registry())
            .Add({}, prometheus::Histogram::BucketBoundaries{1, 2})
            .Observe(1.5);
        metrics.add([](auto& out) {
            out.push_back(gauge_family("belay_g", "G.", {{{}, 1}}));
            out.push_back(counter_family("process_cpu_seconds_total", "CPU.", {{{}, 1}}));
        });
    };
    Metrics first;
    build(first, "both");
    prometheus::BuildCounter()
        .Name("belay_c_total")
        .Help("C.")
        .Register(first.registry())
        .Add({{"s", "gone"}})
        .Increment(5);
    Metrics second;
    second.resume(first.handed());
    build(second, "both");
    Metrics third; // what was carried is carried on
    third.resume(boost::json::parse(boost::json::serialize(second.handed())));
    build(third, "new");
    EXPECT_EQ(value_of(third, "belay_c_total{s=\"both\"}"), 4);
    EXPECT_EQ(value_of(third, "belay_c_total{s=\"gone\"}"), 5);
    EXPECT_EQ(value_of(third, "belay_c_total{s=\"new\"}"), 2);
    EXPECT_EQ(value_of(third, "belay_h_count"), 3);
    EXPECT_EQ(value_of(third, "belay_h_sum"), 4.5);
    EXPECT_EQ(value_of(third, "belay_h_bucket{le=\"1\"}"), 0);
    EXPECT_EQ(value_of(third, "belay_h_bucket{le=\"2\"}"), 3);
    EXPECT_EQ(value_of(third, "belay_h_bucket{le=\"+Inf\"}"), 3);
    EXPECT_EQ(value_of(third, "belay_g"), 1);
    EXPECT_EQ(value_of(third, "process_cpu_seconds_total"), 1);
}

TEST(Metrics, ForgetsARemovedCollector)
{
    Metrics metrics;
    const auto handle = metrics.add([](auto& out) { out.push_back(gauge_family("belay_a", "A.", {{{}, 1}})); });
    metrics.add([](auto& out) { out.push_back(gauge_family("belay_empty", "No samples: not shown.", {})); });
    EXPECT_THAT(metrics.text(), HasSubstr("belay_a 1"));
    metrics.remove(handle);
    EXPECT_EQ(metrics.text(), "");
}

TEST(ProcessMetrics, TellWhatTheKernelKnows)
{
    Metrics metrics;
    metrics.add(process_metrics());
    const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    EXPECT_GT(value_of(metrics, "process_start_time_seconds"), now - 3600);
    EXPECT_LT(value_of(metrics, "process_start_time_seconds"), now + 2); // btime has whole seconds
    EXPECT_GE(value_of(metrics, "process_threads"), 1);
    EXPECT_GT(value_of(metrics, "process_resident_memory_bytes"), 1e6);
    EXPECT_GT(value_of(metrics, "process_virtual_memory_bytes"), value_of(metrics, "process_resident_memory_bytes"));
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    EXPECT_EQ(value_of(metrics, "process_max_fds"), static_cast<double>(limit.rlim_cur));
}

TEST(ProcessMetrics, CountOpenDescriptors)
{
    Metrics metrics;
    metrics.add(process_metrics());
    int open = 0;
    for (int fd = 0; fd < 1024; ++fd)
        if (::fcntl(fd, F_GETFD) != -1)
            ++open;
    EXPECT_EQ(value_of(metrics, "process_open_fds"), open);
}

TEST(ProcessMetrics, CountCpuTime)
{
    Metrics metrics;
    metrics.add(process_metrics());
    const double before = value_of(metrics, "process_cpu_seconds_total");
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{10};
    while (value_of(metrics, "process_cpu_seconds_total") < before + 0.01)
        ASSERT_LT(std::chrono::steady_clock::now(), deadline);
}

} // namespace
} // namespace belay::daemon
