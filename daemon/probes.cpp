#include "daemon/probes.hpp"

#include "daemon/leak_check.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <unistd.h>

#include <fstream>
#include <iterator>
#include <sstream>

namespace belay::daemon {
namespace {

namespace json = boost::json;
using Clock = Heartbeat::Clock;

double seconds(Clock::duration duration)
{
    return std::chrono::duration<double>{duration}.count();
}

/** utime + stime, fields 14 and 15 of proc_pid_stat(5). */
double cpu_seconds(pid_t tid)
{
    std::ifstream file{fmt::format("/proc/self/task/{}/stat", tid)};
    const std::string stat{std::istreambuf_iterator<char>{file}, {}};
    const auto name_end = stat.rfind(')'); // a thread's name may hold anything, spaces included
    if (name_end == std::string::npos)
        return 0;
    std::istringstream rest{stat.substr(name_end + 1)};
    std::string skipped;
    for (int field = 3; field < 14; ++field)
        rest >> skipped;
    double user = 0;
    double system = 0;
    rest >> user >> system;
    return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

} // namespace

http::Response healthz(const std::vector<ThreadRecord>& running, Clock::time_point now)
{
    json::array wedged;
    for (const auto& thread : running)
        if (thread.heartbeat->wedged(now))
            wedged.push_back({{"loop", thread.name}, {"seconds", seconds(thread.heartbeat->age(now))}});
    if (wedged.empty())
        return http::json_response(200, R"({"status":"ok"})");
    return http::json_response(503, json::serialize(json::object{{"status", "wedged"}, {"loops", wedged}}));
}

Readiness readiness(State state, const std::vector<ThreadRecord>& running, Clock::time_point now)
{
    Readiness readiness;
    if (state != State::ready && state != State::reloading)
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
    for (const auto& thread : running)
        threads.push_back({
            {"name", thread.name},
            {"tid", thread.tid},
            {"creator", describe(thread.creator)},
            {"age_seconds", seconds(now - thread.started)},
            {"cpu_seconds", cpu_seconds(thread.tid)},
            {"heartbeat_age_seconds", seconds(thread.heartbeat->age(now))},
            {"wchan", wait_channel(thread.tid)},
            {"stack", json::value_from(stack_of(thread.tid))},
        });
    return http::json_response(200, json::serialize(threads));
}

} // namespace belay::daemon
