#include "daemon/probes.hpp"

#include "daemon/leak_check.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <utility>

namespace belay::daemon {
namespace {

namespace json = boost::json;
using Clock = Heartbeat::Clock;

double seconds(Clock::duration duration)
{
    return std::chrono::duration<double>{duration}.count();
}

/** The fields of proc_pid_stat(5) behind the name, which may hold anything; the first is number 3. */
class ThreadStat {
public:
    explicit ThreadStat(pid_t tid)
    {
        std::ifstream file{fmt::format("/proc/self/task/{}/stat", tid)};
        const std::string text{std::istreambuf_iterator<char>{file}, {}};
        const auto name_end = text.rfind(')');
        if (name_end == std::string::npos)
            return;
        std::istringstream rest{text.substr(name_end + 1)};
        fields_.assign(std::istream_iterator<std::string>{rest}, {});
    }

    /** utime + stime */
    [[nodiscard]] double cpu_seconds() const { return ticks(14) + ticks(15); }

    /** Since it was started. */
    [[nodiscard]] double age_seconds() const
    {
        timespec now{};
        ::clock_gettime(CLOCK_BOOTTIME, &now);
        return std::max(0.0, static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9 - ticks(22));
    }

private:
    [[nodiscard]] double ticks(std::size_t field) const
    {
        return field - 3 < fields_.size() ? std::stod(fields_[field - 3]) / static_cast<double>(::sysconf(_SC_CLK_TCK))
                                          : 0;
    }

    std::vector<std::string> fields_;
};

json::object describe(std::string name, pid_t tid, std::string creator)
{
    const ThreadStat stat{tid};
    return {
        {"name", std::move(name)},
        {"tid", tid},
        {"creator", std::move(creator)},
        {"age_seconds", stat.age_seconds()},
        {"cpu_seconds", stat.cpu_seconds()},
        {"wchan", wait_channel(tid)},
        {"stack", json::value_from(stack_of(tid))},
    };
}

} // namespace

http::Response healthz(const std::vector<ThreadRecord>& wedged, Clock::time_point now)
{
    if (wedged.empty())
        return http::json_response(200, R"({"status":"ok"})");
    json::array loops;
    for (const auto& thread : wedged)
        loops.push_back({{"loop", thread.name}, {"seconds", seconds(thread.heartbeat->age(now))}});
    return http::json_response(503, json::serialize(json::object{{"status", "wedged"}, {"loops", loops}}));
}

Readiness readiness(State state, const std::vector<ThreadRecord>& running, Clock::time_point now)
{
    Readiness readiness;
    if (state != State::ready && state != State::reloading && state != State::upgrading)
        readiness.reasons.push_back(fmt::format("{}", to_string(state)));
    for (const auto& thread : running)
        if (const auto wait = thread.heartbeat->disk_wait(now); wait > Heartbeat::disk_wait_limit)
            readiness.reasons.push_back(
                fmt::format("loop {} has waited {:.1f} s for the disk", thread.name, seconds(wait)));
    return readiness;
}

http::Response readyz(const Readiness& readiness)
{
    if (readiness.ready())
        return http::json_response(200, R"({"status":"ready"})");
    json::object document{{"status", "not ready"}};
    document["reasons"] = json::value_from(readiness.reasons);
    return http::json_response(503, json::serialize(document));
}

http::Response debug_threads(const std::vector<ThreadRecord>& running, Clock::time_point now)
{
    json::array threads;
    std::set<pid_t> others = thread_ids();
    for (const auto& thread : running) {
        others.erase(thread.tid);
        json::object described = describe(thread.name, thread.tid, describe(thread.creator));
        described["heartbeat_age_seconds"] = seconds(thread.heartbeat->age(now));
        threads.push_back(std::move(described));
    }
    for (const pid_t tid : others)
        threads.push_back(describe(thread_name(tid), tid, describe_creator(tid)));
    return http::json_response(200, json::serialize(threads));
}

} // namespace belay::daemon
