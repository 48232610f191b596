#include "belayd/belayd.hpp"
#include "belayd/command_line.hpp"
#include "belayd/config/load.hpp"
#include "belayd/derived.hpp"
#include "daemon/core.hpp"
#include "signals/handled_signals.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <exception>

namespace {

using namespace belay;

int report_config_error(const config::ConfigError& error)
{
    for (const auto& diagnostic : error.diagnostics())
        fmt::print(stderr, "{}\n", config::format(diagnostic));
    return static_cast<int>(daemon::ExitCode::configuration);
}

int run(const CommandLine& command_line)
{
    const config::Config config = config::load_config(command_line.config);
    const auto hooks = std::make_shared<const hooks::HookTable>(config);
    if (command_line.check) {
        fmt::print("{}: {} hooks, no errors\n", command_line.config, hooks->size());
        return static_cast<int>(daemon::ExitCode::clean);
    }
    daemon::Core core{core_options(config, command_line)};
    Belayd belayd{core, command_line, config, hooks};
    return core.run(belayd);
}

} // namespace

int main(int argc, char** argv)
try {
    signals::block_handled_signals(); // first: a signal from here on waits for its handler
    int exit_code = 0;
    const auto command_line = parse_command_line(argc, argv, exit_code);
    return command_line ? run(*command_line) : exit_code;
} catch (const config::ConfigError& e) {
    return report_config_error(e);
} catch (const daemon::StartError& e) {
    fmt::print(stderr, "belayd: {}\n", e.what());
    return static_cast<int>(e.code());
} catch (const std::exception& e) {
    fmt::print(stderr, "belayd: internal error: {}\n", e.what());
    return static_cast<int>(daemon::ExitCode::internal);
}
