#include "belayd/config/secrets.hpp"
#include "belayd/hooks/load.hpp"
#include "belayd/hooks/secret.hpp"
#include "cli/commands.hpp"
#include "cli/json.hpp"
#include "cli/trial.hpp"

#include <boost/json/serialize.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <sysexits.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <ostream>

namespace belay::cli {
namespace {

using std::chrono::sys_seconds;

/** Of a hook's last secret: time to give its sender another one. */
constexpr std::chrono::days soon{14};

struct CheckOptions {
    std::string file;
    bool effective = false;
};

json::array to_json(const std::vector<config::Diagnostic>& diagnostics)
{
    json::array array;
    for (const config::Diagnostic& diagnostic : diagnostics)
        array.push_back(json::object{{"file", diagnostic.origin.file}, {"line", diagnostic.origin.line},
            {"column", diagnostic.origin.column}, {"message", diagnostic.message}});
    return array;
}

struct Verdict {
    std::vector<config::Diagnostic> errors;
    hooks::SecretNotes notes;
    std::size_t hooks = 0;
    std::string effective;
};

std::string date(sys_seconds time)
{
    return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

/** A hook, or a signature in its rules. */
struct Asker {
    std::string name;
    const char* consequence; ///< of its last secret's end
};

/** Of the last secret. */
std::string warning_of_end(const Asker& asker, sys_seconds end, std::chrono::seconds left)
{
    if (left < left.zero())
        return fmt::format(
            "every secret of {} has ended, the last on {}: {}; add the one that its sender signs with now, "
            "or a later not_after",
            asker.name, date(end), asker.consequence);
    if (left <= soon)
        return fmt::format("the last secret of {} ends on {}, in {} days: add the one that follows it", asker.name,
            date(end), std::chrono::floor<std::chrono::days>(left).count());
    return {};
}

/** What belayd logs of secrets when it starts, and what it will say soon. */
void warn_of_secrets(const std::vector<config::SecretSource>& secrets, const Asker& asker, sys_seconds time,
    std::vector<config::Diagnostic>& warnings)
{
    const auto warn = [&warnings](const config::SecretSource& secret, const std::string& what) {
        warnings.push_back({secret.origin, what, {}});
    };
    const auto end_of = [](const auto& secret) { return secret.not_after.value_or(sys_seconds::max()); };
    const auto last = std::ranges::max_element(secrets, {}, end_of);
    if (const auto end = end_of(*last); end != sys_seconds::max())
        if (const std::string what = warning_of_end(asker, end, end - time); !what.empty())
            warn(*last, what);
    if (time > end_of(*last))
        return; // each of them
    for (const config::SecretSource& secret : secrets)
        if (time > end_of(secret))
            warn(secret, fmt::format("{} of {} has ended on {}: what is signed with it is refused; remove it",
                             hooks::describe(secret), asker.name, date(*secret.not_after)));
}

void warn_of_secrets(const config::Hook& hook, sys_seconds time, std::vector<config::Diagnostic>& warnings)
{
    for (const config::Auth& auth : config::auths_of(hook)) {
        const bool is_own = &auth == &hook.auth;
        const Asker asker{fmt::format("{}hook \"{}\"", is_own ? "" : "a signature in the rules of ", hook.name),
            is_own ? "all that is sent to it is refused" : "it is never good"};
        warn_of_secrets(auth.secrets, asker, time, warnings);
    }
}

Verdict judge(const std::string& file)
{
    Verdict verdict;
    try {
        const config::Config config = hooks::load_config(file, &verdict.notes);
        verdict.hooks = config.hooks.size();
        for (const auto& [name, hook] : config.hooks)
            warn_of_secrets(hook, std::chrono::floor<std::chrono::seconds>(now()), verdict.notes.warnings);
        verdict.effective = config::effective_config(config);
    } catch (const config::ConfigError& e) {
        verdict.errors = e.diagnostics();
    }
    std::ranges::sort(verdict.notes.unchecked, {}, &config::Diagnostic::origin);
    std::ranges::sort(verdict.notes.warnings, {}, &config::Diagnostic::origin);
    return verdict;
}

json::object to_json(const Verdict& verdict, const std::string& file, bool effective)
{
    json::object document{{"ok", verdict.errors.empty()}, {"file", file}, {"errors", to_json(verdict.errors)},
        {"unchecked", to_json(verdict.notes.unchecked)}, {"warnings", to_json(verdict.notes.warnings)}};
    if (effective && verdict.errors.empty())
        document["effective"] = verdict.effective;
    return document;
}

void print(const Verdict& verdict, const std::string& file, bool effective, Context& context)
{
    for (const auto& error : verdict.errors)
        context.err << config::format(error) << '\n';
    for (const auto& [origin, what, line] : verdict.notes.unchecked)
        context.err << config::format({origin, "not checked here: " + what, line}) << '\n';
    for (const auto& [origin, what, line] : verdict.notes.warnings)
        context.err << config::format({origin, "warning: " + what, line}) << '\n';
    const std::size_t errors = verdict.errors.size();
    if (errors != 0)
        context.err << fmt::format("{}: {} error{}\n", file, errors, errors == 1 ? "" : "s");
    else if (effective)
        context.out << verdict.effective;
    else
        context.out << fmt::format("{}: ok, {} hook{}\n", file, verdict.hooks, verdict.hooks == 1 ? "" : "s");
}

int check(const CheckOptions& options, Context& context)
{
    const std::string& file = options.file.empty() ? context.config_file : options.file;
    const Verdict verdict = judge(file);
    if (context.json)
        context.out << json::serialize(to_json(verdict, file, options.effective)) << '\n';
    else
        print(verdict, file, options.effective, context);
    return verdict.errors.empty() ? EXIT_SUCCESS : EX_CONFIG;
}

} // namespace

void add_check(CLI::App& app, Context& context, Command& chosen)
{
    const auto options = std::make_shared<CheckOptions>();
    CLI::App* command = app.add_subcommand("check", "Check a configuration without running it");
    command->add_option("FILE", options->file, "the configuration; else that of --config")->type_name("");
    command->add_flag("--effective", options->effective, "print every setting with the origin of its value");
    command->callback([&, options] { chosen = [&, options] { return check(*options, context); }; });
}

} // namespace belay::cli
