#include "daemon/core_metrics.hpp"

namespace belay::daemon {
namespace {

using Families = std::vector<prometheus::MetricFamily>;

void add_lifecycle(Families& out, const Lifecycle::View& view)
{
    std::vector<Sample> states;
    states.reserve(all_states.size());
    for (const State state : all_states)
        states.push_back({{{"state", std::string{to_string(state)}}}, state == view.state ? 1.0 : 0.0});
    out.push_back(gauge_family("belay_state", "1 for the state the daemon is in.", std::move(states)));

    const std::string phase = view.drain_phase.empty() ? "none" : view.drain_phase;
    out.push_back(gauge_family("belay_drain_phase", "1 for the phase of the drain.", {{{{"phase", phase}}, 1.0}}));

    out.push_back(counter_family("belay_reloads_total", "Reloads by result.",
        {{{{"result", "success"}}, static_cast<double>(view.reloads_succeeded)},
            {{{"result", "failure"}}, static_cast<double>(view.reloads_failed)}}));
    out.push_back(gauge_family("belay_config_last_reload_successful",
        "Whether the last reload of the configuration succeeded.", {{{}, view.last_reload_ok ? 1.0 : 0.0}}));
    const std::chrono::duration<double> since_epoch = view.last_reload_success.time_since_epoch();
    out.push_back(gauge_family("belay_config_last_reload_success_timestamp_seconds",
        "When the configuration in use was loaded, in seconds since the epoch.", {{{}, since_epoch.count()}}));
}

void add_loops(Families& out, const Threads& threads)
{
    std::vector<Sample> ages;
    for (const auto& thread : threads.running()) {
        const std::chrono::duration<double> age = thread.heartbeat->age(Heartbeat::Clock::now());
        ages.push_back({{{"loop", thread.name}}, age.count()});
    }
    out.push_back(gauge_family(
        "belay_loop_heartbeat_age_seconds", "Time since each loop last proved that it turns.", std::move(ages)));
}

} // namespace

Metrics::Collector core_metrics(std::string version, const Lifecycle& lifecycle, const Threads& threads)
{
    return [version = std::move(version), &lifecycle, &threads](Families& out) {
        out.push_back(gauge_family("belay_build_info", "1, with what was built and by what.",
            {{{{"version", version}, {"compiler", "gcc " __VERSION__}}, 1.0}}));
        add_lifecycle(out, lifecycle.view());
        add_loops(out, threads);
    };
}

} // namespace belay::daemon
