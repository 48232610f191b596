#include "cli/program.hpp"

#include "build_config.hpp"
#include "cli/commands.hpp"
#include "cli/format.hpp"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <sysexits.h>

#include <algorithm>
#include <cstdlib>
#include <ostream>

namespace belay::cli {
namespace {

constexpr const char* examples = R"(Examples:
  belay check                          is the configuration sound?
  belay check --effective              every setting, and where its value comes from
  belay import hooks.json              comes over from adnanh/webhook
  belay explain deploy push.json       would it run, and why not?
  belay send deploy --data push.json --secret-file github.secret
  belay jobs --state failed            what went wrong lately
  belay logs -f ID                     follow what a job writes
  belay retry ID                       run it again
  belay reload && echo "in force"      waits for the verdict
  belay doctor                         does this host hold it back?

Exit status: 0 success; 1 what was asked for failed; 64 usage; 69 belayd cannot be
reached; 78 the configuration has errors.)";

void fail(Context& context, const std::string& what)
{
    context.err << "belay: " << escape_for_terminal(what) << '\n';
}

int run_command(const Command& command, Context& context)
{
    try {
        return command();
    } catch (const Failure& e) {
        fail(context, e.what());
        return e.exit_status();
    } catch (const std::exception& e) {
        fail(context, e.what());
        return EX_SOFTWARE;
    }
}

} // namespace

int run(std::vector<std::string> arguments, Context& context)
{
    CLI::App app{"belay: webhooks in, jobs out, nothing dropped.  Checks configurations, sends events, and asks a "
                 "running belayd over its control socket.",
        "belay"};
    app.require_subcommand(1);
    app.fallthrough(); // so that --json and its like may stand after the command
    app.set_version_flag("--version", "belay " BELAY_VERSION);
    app.add_option("--socket", context.socket, "belayd's control socket")->envname("BELAY_SOCKET")->type_name("PATH");
    app.add_option("--config", context.config_file, "belayd's configuration file")
        ->default_val(BELAY_DEFAULT_CONFIG)
        ->type_name("FILE");
    app.add_flag("--json", context.json, "print JSON, for programs");

    Command command;
    add_check(app, context, command);
    add_explain(app, context, command);
    add_test(app, context, command);
    add_import(app, context, command);
    add_send(app, context, command);
    add_doctor(app, context, command);
    add_status(app, context, command);
    add_jobs(app, context, command);
    add_logs(app, context, command);
    add_reload(app, context, command);
    app.footer(examples); // after the commands, which would inherit it

    try {
        std::ranges::reverse(arguments); // as CLI11 wants them
        app.parse(std::move(arguments));
    } catch (const CLI::ParseError& e) {
        return app.exit(e, context.out, context.err) == 0 ? EXIT_SUCCESS : EX_USAGE;
    }
    const int exit_status = run_command(command, context);
    if (!context.out.flush()) { // a full disk or a closed pipe must not look like success
        fail(context, "cannot write to standard output");
        return EXIT_FAILURE;
    }
    return exit_status;
}

} // namespace belay::cli
