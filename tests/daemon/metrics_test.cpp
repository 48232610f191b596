#include "daemon/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/counter.h>

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
