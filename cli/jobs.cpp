#include "cli/commands.hpp"
#include "cli/control.hpp"
#include "cli/format.hpp"
#include "cli/target.hpp"

#include <fmt/format.h>

#include <string.h>

#include <memory>
#include <ostream>

namespace belay::cli {
namespace {

struct ListOptions {
    std::string state;
    std::string hook;
    std::string before;
    unsigned limit = 20;
};

int list_jobs(const ListOptions& options, Context& context)
{
    const Answer answer = Control{context}.get(
        make_target("/api/v1/jobs", {{"state", options.state}, {"hook", options.hook}, {"before", options.before},
                                        {"limit", std::to_string(options.limit)}}));
    if (context.json) {
        context.out << answer.text << '\n';
        return EXIT_SUCCESS;
    }
    const json::array& jobs = array_member(answer.body, "jobs");
    if (jobs.empty()) {
        context.out << "no jobs\n";
        return EXIT_SUCCESS;
    }
    Table table;
    table.add(heading({"ID", "HOOK", "STATE", "ATTEMPTS", "ENQUEUED (UTC)", "TOOK", "REASON"}));
    for (const json::value& job : jobs) {
        const std::string state = text_member(job, "state");
        const std::string enqueued = text_member(job, "enqueued");
        table.add({text_member(job, "id"), text_member(job, "hook"), {state, style_of(state)},
            text_member(job, "attempts"), format_time(enqueued), format_elapsed(enqueued, text_member(job, "finished")),
            text_member(job, "reason")});
    }
    table.print(context.out, context.colours);
    if (const std::string next = text_member(answer.body, "next"); !next.empty() && context.out_terminal)
        context.out << "older ones: --before " << escape_for_terminal(next) << '\n';
    return EXIT_SUCCESS;
}

/** "exited 2", "signalled 9 (KILL)". */
std::string describe_outcome(const json::value& attempt)
{
    const std::string outcome = text_member(attempt, "outcome");
    if (outcome.empty())
        return "running";
    if (outcome == "exited")
        return fmt::format("{} {}", outcome, number_member(attempt, "exit_status"));
    if (outcome != "signalled")
        return outcome;
    const int signal = static_cast<int>(number_member(attempt, "signal"));
    const char* name = ::sigabbrev_np(signal);
    return fmt::format("{} {} ({})", outcome, signal, name == nullptr ? "?" : name);
}

std::string describe_stream(const json::value& attempt, const std::string& stream)
{
    const auto dropped = number_member(attempt, stream + "_dropped");
    return fmt::format(
        "{}{}", number_member(attempt, stream + "_bytes"), dropped == 0 ? "" : fmt::format(" (+{} cut)", dropped));
}

void print_attempts(const json::array& attempts, Context& context)
{
    Table table;
    table.add(heading({"ATTEMPT", "OUTCOME", "STARTED (UTC)", "TOOK", "STDOUT", "STDERR", "DETAIL"}));
    for (const json::value& attempt : attempts) {
        const std::string started = text_member(attempt, "started");
        const std::string outcome = text_member(attempt, "outcome");
        table.add({text_member(attempt, "attempt"),
            {describe_outcome(attempt), style_of(outcome.empty() ? "running" : outcome)}, format_time(started),
            format_elapsed(started, text_member(attempt, "finished")), describe_stream(attempt, "stdout"),
            describe_stream(attempt, "stderr"), text_member(attempt, "detail")});
    }
    context.out << '\n';
    table.print(context.out, context.colours);
}

void print_job(const json::value& job, Context& context)
{
    const std::string state = text_member(job, "state");
    std::vector<std::string> arguments;
    for (const json::value& argument : array_member(job, "arguments"))
        arguments.emplace_back(argument.is_string() ? std::string{argument.get_string()} : std::string{});

    Table table;
    const auto add = [&table](const char* name, std::string value, Style style = Style::plain) {
        if (!value.empty())
            table.add({{name, Style::faint}, {std::move(value), style}});
    };
    add("job", text_member(job, "id"));
    add("hook", text_member(job, "hook"));
    add("state", state, style_of(state));
    add("reason", text_member(job, "reason"));
    if (!arguments.empty())
        table.add({{"command", Style::faint}, Cell::fit_for_line(format_command(arguments))});
    add("event", text_member(job, "event"));
    add("delivery", text_member(job, "delivery_id"));
    add("from", text_member(job, "remote"));
    add("payload", text_member(job, "body_bytes") + " bytes");
    add("trace", text_member(job, "traceparent"));
    add("received", format_time(text_member(job, "received")));
    add("enqueued", format_time(text_member(job, "enqueued")));
    if (state == "queued")
        add("runs at", format_time(text_member(job, "run_at")));
    add("finished", format_time(text_member(job, "finished")));
    table.print(context.out, context.colours);

    if (const json::array& attempts = array_member(job, "attempt_list"); !attempts.empty())
        print_attempts(attempts, context);
}

int show_job(const std::string& id, Context& context)
{
    const Answer answer = Control{context}.get(job_target(id));
    if (context.json)
        context.out << answer.text << '\n';
    else
        print_job(answer.body, context);
    return EXIT_SUCCESS;
}

/** `verb` is the last segment of the target: "retry", "cancel". */
int change_job(const std::string& id, const std::string& verb, Context& context)
{
    const Answer answer = Control{context}.post(job_target(id, "/" + verb));
    if (context.json) {
        context.out << answer.text << '\n';
        return EXIT_SUCCESS;
    }
    // 202: a running job ends when its attempt has been terminated.
    const std::string state = answer.status == 202 ? "being terminated" : text_member(answer.body, "state");
    context.out << escape_for_terminal(id + ": " + (state.empty() ? verb + " accepted" : state)) << '\n';
    return EXIT_SUCCESS;
}

/** A command whose only argument is the id of a job. */
void add_job_command(CLI::App& app, const std::string& name, const std::string& description, Command& chosen,
    std::function<int(const std::string& id)> run)
{
    const auto id = std::make_shared<std::string>();
    CLI::App* command = app.add_subcommand(name, description);
    command->add_option("ID", *id, "the job, as `belay jobs` shows it")->required()->type_name("");
    command->callback([&chosen, id, run = std::move(run)] { chosen = [id, run] { return run(*id); }; });
}

} // namespace

void add_jobs(CLI::App& app, Context& context, Command& chosen)
{
    const auto options = std::make_shared<ListOptions>();
    CLI::App* jobs = app.add_subcommand("jobs", "List jobs, newest first");
    jobs->add_option("--state", options->state, "only: queued, running, succeeded, failed, cancelled, superseded")
        ->type_name("STATE");
    jobs->add_option("--hook", options->hook, "only those of this hook")->type_name("NAME");
    jobs->add_option("--before", options->before, "only those older than this one")->type_name("ID");
    jobs->add_option("--limit", options->limit, "at most this many, up to 500")
        ->capture_default_str()
        ->check(CLI::Range(1U, 500U))
        ->type_name("N");
    jobs->callback([&, options] { chosen = [&, options] { return list_jobs(*options, context); }; });

    add_job_command(app, "job", "Show one job and its attempts", chosen,
        [&context](const std::string& id) { return show_job(id, context); });
    add_job_command(app, "retry", "Queue a failed or cancelled job again", chosen,
        [&context](const std::string& id) { return change_job(id, "retry", context); });
    add_job_command(app, "cancel", "Cancel a job; a running one is terminated", chosen,
        [&context](const std::string& id) { return change_job(id, "cancel", context); });
}

} // namespace belay::cli
