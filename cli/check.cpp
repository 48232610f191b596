#include "belayd/hooks/load.hpp"
#include "cli/commands.hpp"
#include "cli/json.hpp"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <sysexits.h>

#include <algorithm>
#include <memory>
#include <ostream>

namespace belay::cli {
namespace {

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
    std::vector<config::Diagnostic> unchecked; // what only belayd can see
    std::size_t hooks = 0;
    std::string effective;
};

Verdict judge(const std::string& file)
{
    Verdict verdict;
    try {
        const config::Config config = hooks::load_config(file, &verdict.unchecked);
        verdict.hooks = config.hooks.size();
        verdict.effective = config::effective_config(config);
    } catch (const config::ConfigError& e) {
        verdict.errors = e.diagnostics();
    }
    std::ranges::sort(verdict.unchecked, {}, &config::Diagnostic::origin);
    return verdict;
}

json::object to_json(const Verdict& verdict, const std::string& file, bool effective)
{
    json::object document{{"ok", verdict.errors.empty()}, {"file", file}, {"errors", to_json(verdict.errors)},
        {"unchecked", to_json(verdict.unchecked)}};
    if (effective && verdict.errors.empty())
        document["effective"] = verdict.effective;
    return document;
}

void print(const Verdict& verdict, const std::string& file, bool effective, Context& context)
{
    for (const auto& error : verdict.errors)
        context.err << config::format(error) << '\n';
    for (const auto& [origin, what, line] : verdict.unchecked)
        context.err << config::format({origin, "not checked here: " + what, line}) << '\n';
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
