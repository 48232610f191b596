#include "belayd/config/load.hpp"
#include "cli/commands.hpp"
#include "cli/control.hpp"
#include "cli/doctor/checks.hpp"
#include "cli/format.hpp"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <sqlite3.h>

#include <sysexits.h>

#include <algorithm>
#include <iterator>
#include <ostream>

namespace belay::cli {
namespace {

config::Config load(Context& context)
{
    try {
        return config::load_config(context.config_file);
    } catch (const config::ConfigError& e) {
        for (const config::Diagnostic& diagnostic : e.diagnostics())
            context.err << config::format(diagnostic) << '\n';
        throw Failure{EX_CONFIG, fmt::format("{} cannot be examined; see belay check", context.config_file)};
    }
}

std::optional<int> find_belayd(const Context& context)
{
    try {
        const auto pid = number_member(Control{context}.get("/api/v1/status").body, "pid");
        return pid == 0 ? std::nullopt : std::optional{static_cast<int>(pid)};
    } catch (const Failure&) {
        return std::nullopt; // then its configuration and this process tell what is to be expected
    }
}

Findings examine(const Subject& subject)
{
    Findings all;
    const auto add = [&all](Findings findings) { std::ranges::move(findings, std::back_inserter(all)); };
    add(examine_backlogs(subject));
    add(examine_ports(subject));
    add({examine_descriptors(subject)});
    add(examine_disk(subject));
    add({examine_sqlite(::sqlite3_libversion())});
    add(examine_cpus(subject));
    add({examine_clock(), examine_hardening()});
    return all;
}

json::object to_json(const Findings& findings, bool ok)
{
    json::array array;
    for (const Finding& finding : findings)
        array.push_back(json::object{{"check", finding.check}, {"verdict", to_string(finding.verdict)},
            {"found", finding.found}, {"needed", finding.needed}, {"remedy", finding.remedy}});
    return {{"ok", ok}, {"findings", std::move(array)}};
}

Style style_of_verdict(Finding::Verdict verdict)
{
    switch (verdict) {
    case Finding::Verdict::ok:
        return Style::good;
    case Finding::Verdict::warning:
        return Style::bad;
    case Finding::Verdict::note:
        return Style::active;
    case Finding::Verdict::unknown:
        break;
    }
    return Style::faint;
}

void print(const Findings& findings, Context& context)
{
    Table table;
    table.add(heading({"VERDICT", "CHECK", "FOUND", "NEEDED"}));
    for (const Finding& finding : findings)
        table.add({{to_string(finding.verdict), style_of_verdict(finding.verdict)}, finding.check, finding.found,
            finding.needed});
    table.print(context.out, context.colours);
    for (const Finding& finding : findings)
        if (!finding.remedy.empty())
            context.out << fmt::format("\n{}: {}.\n", finding.check, escape_for_line(finding.remedy));
}

int show(Context& context)
{
    Subject subject{.config = load(context), .belayd = find_belayd(context)};
    const Findings findings = examine(subject);
    const bool ok = std::ranges::none_of(
        findings, [](const Finding& finding) { return finding.verdict == Finding::Verdict::warning; });
    if (context.json)
        context.out << json::serialize(to_json(findings, ok)) << '\n';
    else
        print(findings, context);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

} // namespace

void add_doctor(CLI::App& app, Context& context, Command& chosen)
{
    app.add_subcommand("doctor", "What of this host limits belayd: what is found, what is needed, and the remedy")
        ->footer(
            "Changes nothing.  Some of it only root and belayd's user may see.  Exit status: 0, or 1 if there is a "
            "warning.")
        ->callback([&] { chosen = [&] { return show(context); }; });
}

} // namespace belay::cli
