#include "daemon/stop_timeout.hpp"

#include "base/duration.hpp"
#include "daemon/log.hpp"

#include <fmt/format.h>

#include <stdexcept>
#include <system_error>
#include <utility>

namespace belay::daemon {
namespace {

using namespace std::chrono_literals;

/** systemd answers within milliseconds; on a host that boots, within seconds. */
constexpr auto patience = 10s;

constexpr const char* variable = "BELAY_STOP_TIMEOUT";

} // namespace

std::optional<StopTimeout> declared_stop_timeout(signals::Manager manager, const signals::Environment& environment)
{
    if (const char* const text = environment(variable); text != nullptr && *text != '\0')
        return StopTimeout{parse_duration(text), "the manager's stop timeout, and BELAY_STOP_TIMEOUT with it"};
    switch (manager) {
    case signals::Manager::supervisord: // its defaults; neither tells the process what is configured
        return StopTimeout{10s, "stopwaitsecs, and say it in BELAY_STOP_TIMEOUT"};
    case signals::Manager::kubernetes:
        return StopTimeout{30s, "terminationGracePeriodSeconds, and say it in BELAY_STOP_TIMEOUT"};
    case signals::Manager::none:
    case signals::Manager::systemd:
        return std::nullopt;
    }
    return std::nullopt;
}

StopTimeoutCheck::StopTimeoutCheck(Threads& threads, signals::Manager manager, signals::Environment environment)
    : threads_(threads), manager_(manager), environment_(std::move(environment))
{
}

StopTimeoutCheck::~StopTimeoutCheck()
{
    stop();
}

void StopTimeoutCheck::check(std::chrono::milliseconds drain)
{
    if (drain == std::exchange(drain_, drain) || stopping_)
        return;
    if (manager_ != signals::Manager::systemd) {
        try {
            if (const auto found = declared_stop_timeout(manager_, environment_))
                judge(*found, drain);
        } catch (const std::invalid_argument& e) {
            log::warning("malformed variable, ignoring", {{"variable", variable}, {"error", e.what()}});
        }
        return;
    }
    if (!signals::is_a_units_process(environment_)) // the unit around us is another's
        return;
    const std::scoped_lock lock{mutex_};
    to_check_ = drain;
    if (std::exchange(asking_, true))
        return;
    thread_.join(); // it has ended, or is about to
    try {
        thread_ = threads_.start("manager", [this](Heartbeat& heartbeat) {
            const Heartbeat::HarmlessWait wait{heartbeat};
            ask_systemd();
        });
    } catch (const std::system_error& e) { // no thread to be had: what it would say is not worth a start or a reload
        asking_ = false;
        log::debug("cannot ask the manager for its stop timeout, ignoring", {{"error", e.what()}});
    }
}

void StopTimeoutCheck::stop()
{
    stopping_ = true;
    thread_.join();
}

void StopTimeoutCheck::ask_systemd()
{
    std::unique_lock lock{mutex_};
    while (to_check_) {
        const auto drain = *std::exchange(to_check_, std::nullopt);
        lock.unlock();
        const auto found = signals::unit_stop_timeout(environment_, patience, [this] { return stopping_.load(); });
        if (found)
            judge({std::chrono::floor<std::chrono::milliseconds>(*found), "TimeoutStopSec= of the unit"}, drain);
        lock.lock();
    }
    asking_ = false;
}

void StopTimeoutCheck::judge(const StopTimeout& found, std::chrono::milliseconds drain) const
{
    const auto manager = signals::to_string(manager_);
    const std::string has = format_duration(found.value);
    const std::string needs = format_duration(drain);
    if (found.value > drain)
        log::debug("stop timeout holds a drain", {{"manager", manager}, {"stop_timeout", has}, {"drain", needs}});
    else
        log::warning("stop timeout is too short for a drain, the manager may kill before it is over",
            {{"manager", manager}, {"stop_timeout", has}, {"drain", needs},
                {"remedy",
                    fmt::format("more than {} (drain_timeout + kill_grace + 5s) for {}; or a shorter drain_timeout",
                        needs, found.where)}});
}

} // namespace belay::daemon
