#include "cli/commands.hpp"
#include "cli/control.hpp"
#include "cli/format.hpp"

#include <ostream>

namespace belay::cli {
namespace {

/** Longer than belayd takes: it opens listeners and reads secrets, and may have another reload to finish first. */
constexpr Milliseconds verdict_timeout{90'000};

int ask(Context& context, const std::string& target)
{
    const Answer answer = Control{context}.call("POST", target, verdict_timeout);
    const bool reloaded = answer.ok() && (answer.body.is_null() || flag_member(answer.body, "ok"));
    if (context.json)
        context.out << answer.text << '\n';
    const std::string message = text_member(answer.body, "message");
    if (!reloaded)
        throw Failure{
            EXIT_FAILURE, "nothing was changed, what ran goes on:\n" + (message.empty() ? answer.problem() : message)};
    if (!context.json)
        context.out << escape_for_terminal(message.empty() ? "reloaded" : message) << '\n';
    return EXIT_SUCCESS;
}

} // namespace

void add_reload(CLI::App& app, Context& context, Command& chosen)
{
    app.add_subcommand(
           "reload", "Reload the configuration, and upgrade in place if the executable changed; waits for the verdict")
        ->callback([&] { chosen = [&] { return ask(context, "/api/v1/reload"); }; });
    app.add_subcommand("upgrade", "Upgrade in place to the executable on disk; fails if it is the one that runs")
        ->callback([&] { chosen = [&] { return ask(context, "/api/v1/upgrade"); }; });
}

} // namespace belay::cli
