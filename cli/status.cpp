#include "base/duration.hpp"
#include "cli/commands.hpp"
#include "cli/control.hpp"
#include "cli/format.hpp"

#include <boost/system/error_code.hpp>

#include <ostream>

namespace belay::cli {
namespace {

std::string seconds_text(const json::value& seconds)
{
    boost::system::error_code ec;
    const double count = seconds.to_number<double>(ec);
    return ec ? "" : format_duration(Milliseconds{static_cast<Milliseconds::rep>(count) * 1000});
}

const json::value* find(const json::object& status, std::string_view name)
{
    return status.if_contains(name);
}

/** "2 queued, 1 running": the states that any job is in. */
std::string describe_counts(const json::value* counts)
{
    std::string text;
    const json::object* states = counts == nullptr ? nullptr : counts->if_object();
    if (states == nullptr)
        return text;
    for (const auto& state : *states)
        if (const std::string count = text_member(*counts, state.key()); count != "0")
            text += (text.empty() ? "" : ", ") + count + ' ' + std::string{state.key()};
    return text.empty() ? "none" : text;
}

void print_running(const json::array& running, Context& context)
{
    if (running.empty())
        return;
    Table table;
    table.add(heading({"RUNNING JOB", "HOOK", "ATTEMPT", "STARTED (UTC)"}));
    for (const json::value& attempt : running)
        table.add({text_member(attempt, "job"), text_member(attempt, "hook"), text_member(attempt, "attempt"),
            format_time(text_member(attempt, "started"))});
    context.out << '\n';
    table.print(context.out, context.colours);
}

void print_status(const json::value& status, const json::object& members, Context& context)
{
    Table table;
    const auto add = [&table](const char* name, std::string value, Style style = Style::plain) {
        if (!value.empty())
            table.add({{name, Style::faint}, {std::move(value), style}});
    };
    const std::string state = text_member(status, "state");
    add("state", state, state == "ready" ? Style::good : Style::active);
    for (const json::value& reason : array_member(status, "reasons"))
        add("not ready", reason.is_string() ? std::string{reason.get_string()} : "", Style::bad);
    add("status", text_member(status, "status"));
    add("jobs", describe_counts(find(members, "jobs")));
    if (const json::value* ages = find(members, "oldest_ready_age_seconds"); ages != nullptr && ages->is_object())
        for (const auto& hook : ages->get_object())
            add("oldest waiting", seconds_text(hook.value()) + " (" + std::string{hook.key()} + ")");
    add("version", text_member(status, "version"));
    add("pid", text_member(status, "pid"));
    if (const json::value* uptime = find(members, "uptime_seconds"))
        add("uptime", seconds_text(*uptime));
    add("configuration", text_member(status, "config_file"));
    add("state directory", text_member(status, "state_dir"));
    table.print(context.out, context.colours);
    print_running(array_member(status, "running"), context);
}

int show_status(Context& context)
{
    const Answer answer = Control{context}.get("/api/v1/status");
    const json::object* members = answer.body.if_object();
    if (context.json || members == nullptr)
        context.out << answer.text << '\n';
    else
        print_status(answer.body, *members, context);
    return EXIT_SUCCESS;
}

} // namespace

void add_status(CLI::App& app, Context& context, Command& chosen)
{
    app.add_subcommand("status", "What belayd is doing")->callback([&] {
        chosen = [&] { return show_status(context); };
    });
}

} // namespace belay::cli
