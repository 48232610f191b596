#include "cli/doctor/checks.hpp"
#include "cli/doctor/kernel_file.hpp"

#include <fmt/format.h>

#include <charconv>
#include <fstream>
#include <limits>
#include <string_view>

namespace belay::cli {
namespace {

using Verdict = Finding::Verdict;

constexpr unsigned long long per_job = 8;     // standard streams, their pipes, a pidfd, files of values
constexpr unsigned long long of_daemon = 512; // database, log, event loops, admin, 256 that are told of the limit

std::optional<unsigned long long> to_number(std::string_view text)
{
    if (text == "unlimited" || text == "infinity")
        return std::numeric_limits<unsigned long long>::max();
    unsigned long long number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} ? std::optional{number} : std::nullopt;
}

/** The soft one: "Max open files            65536                65536                files". */
std::optional<unsigned long long> limit_of(const std::filesystem::path& limits)
{
    constexpr std::string_view name = "Max open files";
    std::ifstream file{limits};
    for (std::string line; std::getline(file, line);)
        if (line.starts_with(name)) {
            const auto begin = line.find_first_not_of(' ', name.size());
            return to_number(std::string_view{line}.substr(begin, line.find(' ', begin) - begin));
        }
    return std::nullopt;
}

/** As the unit sets it. */
std::optional<unsigned long long> limit_of_unit()
{
    const auto shown = output_of("systemctl show --property=LoadState,LimitNOFILESoft belayd.service 2>/dev/null");
    constexpr std::string_view key = "LimitNOFILESoft=";
    if (!shown || shown->find("LoadState=loaded") == std::string::npos || shown->find(key) == std::string::npos)
        return std::nullopt;
    const std::string_view value = std::string_view{*shown}.substr(shown->find(key) + key.size());
    return to_number(value.substr(0, value.find('\n')));
}

} // namespace

Finding examine_descriptors(const Subject& subject)
{
    const auto needed = subject.config.ingress_limits.connections + per_job * running_jobs(subject) + of_daemon;
    Finding finding{"descriptors", Verdict::ok, {},
        fmt::format("{}: max_connections, {} for each job, {} beside", needed, per_job, of_daemon), {}};
    const auto limit =
        subject.belayd ? limit_of(subject.proc / std::to_string(*subject.belayd) / "limits") : limit_of_unit();
    if (!limit) {
        finding.verdict = Verdict::unknown;
        finding.found = subject.belayd ? fmt::format("limits of process {} are for root and its user", *subject.belayd)
                                       : "belayd does not run, and systemd knows no unit of it";
        return finding;
    }
    finding.found = *limit == std::numeric_limits<unsigned long long>::max() ? "unlimited" : std::to_string(*limit);
    if (*limit < needed) {
        finding.verdict = Verdict::warning;
        finding.remedy = fmt::format("set LimitNOFILE={} (systemctl edit belayd), or lower max_connections", needed);
    }
    return finding;
}

} // namespace belay::cli
