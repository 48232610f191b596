#include "daemon/metrics.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>

namespace belay::daemon {
namespace {

std::string read_file(const char* path)
{
    std::ifstream file{path};
    return {std::istreambuf_iterator<char>{file}, {}};
}

/** What /proc/self/stat tells, proc_pid_stat(5). */
struct ProcessStat {
    double threads = 0;
    double start_seconds = 0; ///< after boot
    double virtual_bytes = 0;
    double resident_bytes = 0;
};

ProcessStat read_process_stat()
{
    const std::string text = read_file("/proc/self/stat");
    std::string_view rest = text;
    rest.remove_prefix(std::min(rest.size(), rest.rfind(')') + 2)); // the name may hold spaces; the state is field 3
    std::array<double, 25> fields{};                                // by their numbers in the man page
    for (std::size_t number = 3; number < fields.size() && !rest.empty(); ++number) {
        const auto end = std::min(rest.find(' '), rest.size());
        std::from_chars(rest.data(), rest.data() + end, fields[number]); // fails for the state: stays 0
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return {.threads = fields[20],
        .start_seconds = fields[22] / static_cast<double>(::sysconf(_SC_CLK_TCK)),
        .virtual_bytes = fields[23],
        .resident_bytes = fields[24] * static_cast<double>(::sysconf(_SC_PAGESIZE))};
}

/** When the host was booted, seconds since the epoch: "btime" of /proc/stat. */
double boot_time()
{
    std::ifstream file{"/proc/stat"};
    std::string key;
    while (file >> key) {
        if (double value = 0; key == "btime" && file >> value)
            return value;
        std::getline(file, key);
    }
    return 0;
}

double cpu_seconds()
{
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double open_fds()
{
    std::error_code ec;
    std::filesystem::directory_iterator entries{"/proc/self/fd", ec};
    if (ec)
        return 0;
    return static_cast<double>(std::distance(entries, {}) - 1); // without the one that reads the directory
}

double max_fds()
{
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return static_cast<double>(limit.rlim_cur);
}

} // namespace

Metrics::Collector process_metrics()
{
    const double start_time = boot_time() + read_process_stat().start_seconds;
    return [start_time](std::vector<prometheus::MetricFamily>& out) {
        const ProcessStat stat = read_process_stat();
        const auto gauge = [&out](const char* name, const char* help, double value) {
            out.push_back(gauge_family(name, help, {{{}, value}}));
        };
        out.push_back(counter_family(
            "process_cpu_seconds_total", "User and system CPU time spent, in seconds.", {{{}, cpu_seconds()}}));
        gauge("process_start_time_seconds", "Start time of the process since the epoch, in seconds.", start_time);
        gauge("process_open_fds", "Number of open file descriptors.", open_fds());
        gauge("process_max_fds", "Maximum number of open file descriptors.", max_fds());
        gauge("process_virtual_memory_bytes", "Virtual memory size, in bytes.", stat.virtual_bytes);
        gauge("process_resident_memory_bytes", "Resident memory size, in bytes.", stat.resident_bytes);
        gauge("process_threads", "Number of threads.", stat.threads);
    };
}

} // namespace belay::daemon
