#include "base/failpoint.hpp"
#include "belayd/belayd.hpp"
#include "belayd/command_line.hpp"
#include "belayd/derived.hpp"
#include "belayd/hooks/load.hpp"
#include "belayd/jobs/schema.hpp"
#include "daemon/core.hpp"
#include "daemon/handover.hpp"
#include "daemon/successor.hpp"
#include "signals/handled_signals.hpp"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace {

using namespace belay;

int report_config_error(const config::ConfigError& error)
{
    for (const auto& diagnostic : error.diagnostics())
        fmt::print(stderr, "{}\n", config::format(diagnostic));
    return static_cast<int>(daemon::ExitCode::configuration);
}

/** Asked by the image that runs, see daemon::Upgrade. */
int can_resume(const CommandLine& question, const config::Config& config)
{
    failpoint("upgrade.question");
    const int version = *question.can_resume;
    if (version != daemon::handover_version)
        throw daemon::StartError{daemon::ExitCode::unavailable,
            fmt::format("the hand-over has version {}, this belayd reads version {}: restart instead", version,
                daemon::handover_version)};
    if (config.state_dir != question.running_state_dir || store_path(config) != question.running_store)
        throw daemon::StartError{daemon::ExitCode::configuration,
            fmt::format(
                "{}: daemon.state_dir and store.url cannot change while belayd runs: restart instead", config.file)};
    jobs::check_store_database(store_path(config));
    try_listeners(ingress_specs(config, question.running), question.running);
    try_listeners(daemon::admin_specs(core_options(config, question), question.running), question.running);
    fmt::print("{}\n", daemon::can_take_over);
    return static_cast<int>(daemon::ExitCode::clean);
}

int run(const CommandLine& command_line)
{
    std::optional<daemon::Handover> predecessor;
    if (command_line.resume) {
        failpoint("start.executed");
        predecessor = daemon::Handover::read(*command_line.resume);
        failpoint("start.handed_over");
    }
    const config::Config config = hooks::load_config(command_line.config);
    const auto hooks = std::make_shared<const hooks::HookTable>(config);
    if (command_line.check) {
        fmt::print("{}: {} hooks, no errors\n", command_line.config, hooks->size());
        return static_cast<int>(daemon::ExitCode::clean);
    }
    if (command_line.can_resume)
        return can_resume(command_line, config);
    daemon::Core core{core_options(config, command_line), std::move(predecessor)};
    Belayd belayd{core, command_line, config, hooks};
    return core.run(belayd);
}

/** Whether a manager is told not to restart what ends so. */
bool is_final(int exit_code)
{
    return exit_code == static_cast<int>(daemon::ExitCode::usage) ||
           exit_code == static_cast<int>(daemon::ExitCode::configuration);
}

/** What a manager would not restart, it must be made to after exec: the new image had said that it could take over. */
int restartable(int exit_code, bool resumed)
{
    return resumed && is_final(exit_code) ? static_cast<int>(daemon::ExitCode::internal) : exit_code;
}

/** Whether a manager holds sockets for this process, sd_listen_fds(3). */
bool sockets_are_passed()
{
    const char* const pid = std::getenv("LISTEN_PID"); // NOLINT(concurrency-mt-unsafe): nobody changes it
    return pid != nullptr && pid == std::to_string(::getpid());
}

/** Before the end of a process whose sockets the manager holds: for whoever waits there it starts the next one at once,
 *  whatever it was told, and closes those that need that too often.  As long as RestartSec=. */
constexpr std::chrono::seconds final_pause{1};

int run_or_say_why_not(const CommandLine& command_line)
try {
    return run(command_line);
} catch (const config::ConfigError& e) {
    return report_config_error(e);
} catch (const daemon::StartError& e) {
    fmt::print(stderr, "belayd: {}\n", e.what());
    return static_cast<int>(e.code());
} catch (const std::exception& e) {
    fmt::print(stderr, "belayd: internal error: {}\n", e.what());
    return static_cast<int>(daemon::ExitCode::internal);
}

} // namespace

int main(int argc, char** argv)
{
    signals::block_handled_signals(); // first: a signal from here on waits for its handler
    int exit_code = 0;
    const auto command_line = parse_command_line(argc, argv, exit_code);
    if (command_line)
        exit_code = run_or_say_why_not(*command_line);
    const bool resumed = std::any_of(
        argv, argv + argc, [](const char* argument) { return std::string_view{argument}.starts_with("--resume="); });
    exit_code = restartable(exit_code, resumed);
    if (is_final(exit_code) && sockets_are_passed())
        std::this_thread::sleep_for(final_pause);
    return exit_code;
}
