#include "belayd/command_line.hpp"

#include "build_config.hpp"
#include "daemon/service.hpp"

#include <CLI/CLI.hpp>

#include <string_view>

namespace belay {

std::optional<CommandLine> parse_command_line(int argc, char** argv, int& exit_code)
{
    CommandLine options;
    options.config = BELAY_DEFAULT_CONFIG;
    CLI::App app{"belayd receives webhooks, keeps them on disk, and runs what the operator configured."};
    app.add_option("--config", options.config, "configuration file")->type_name("FILE")->capture_default_str();
    app.add_flag("--check", options.check, "validate the configuration and exit");
    app.add_flag("--strict-leaks", options.strict_leaks, "exit 70 if the leak check at shutdown finds anything");
    app.add_option("--can-resume", options.can_resume)->group(""); // hidden: not for people
    app.add_option("--running-state-dir", options.running_state_dir)->group("");
    app.add_option("--running-store", options.running_store)->group("");
    app.add_option("--running-listener", options.running.listeners)->group("");
    app.add_option("--running-passed", options.running.passed)->group("");
    app.add_option("--resume", options.resume)->group("");
    for (int i = 1; i < argc; ++i)
        if (const std::string_view argument{argv[i]};
            !argument.starts_with("--resume=") && !argument.starts_with("--can-resume="))
            options.arguments.emplace_back(argument);
    app.set_version_flag("--version", "belayd " BELAY_VERSION);
    app.footer("Signals: TERM, INT drain and exit; HUP reloads the configuration; USR2 too, and upgrades in place\n"
               "if the executable changed; USR1 logs a status report.\n"
               "Exit codes: 0 clean, 64 usage, 69 a resource could not be had, 70 internal error or leak,\n"
               "75 forced or drain past its deadline, 78 configuration.\n"
               "See also: belay --help, belayd(8)");
    try {
        app.parse(argc, argv);
        return options;
    } catch (const CLI::ParseError& e) {
        exit_code =
            app.exit(e) == 0 ? static_cast<int>(daemon::ExitCode::clean) : static_cast<int>(daemon::ExitCode::usage);
        return std::nullopt;
    }
}

} // namespace belay
