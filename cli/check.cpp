#include "belayd/config/load.hpp"
#include "cli/commands.hpp"
#include "cli/json.hpp"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <sysexits.h>

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
    json::array errors;
    for (const config::Diagnostic& diagnostic : diagnostics)
        errors.push_back(json::object{{"file", diagnostic.origin.file}, {"line", diagnostic.origin.line},
            {"column", diagnostic.origin.column}, {"message", diagnostic.message}});
    return errors;
}

int check(const CheckOptions& options, Context& context)
{
    const std::string& file = options.file.empty() ? context.config_file : options.file;
    std::vector<config::Diagnostic> errors;
    std::string effective;
    std::size_t hooks = 0;
    try {
        const config::Config config = config::load_config(file);
        hooks = config.hooks.size();
        if (options.effective)
            effective = config::effective_config(config);
    } catch (const config::ConfigError& e) {
        errors = e.diagnostics();
    }

    if (context.json) {
        json::object verdict{{"ok", errors.empty()}, {"file", file}, {"errors", to_json(errors)}};
        if (!effective.empty())
            verdict["effective"] = effective;
        context.out << json::serialize(verdict) << '\n';
    } else if (!errors.empty()) {
        for (const config::Diagnostic& error : errors) {
            const std::string text = config::format(error);
            context.err << text << (text.ends_with('\n') ? "" : "\n");
        }
        context.err << fmt::format("{}: {} error{}\n", file, errors.size(), errors.size() == 1 ? "" : "s");
    } else if (options.effective) {
        context.out << effective;
    } else {
        context.out << fmt::format("{}: ok, {} hook{}\n", file, hooks, hooks == 1 ? "" : "s");
    }
    return errors.empty() ? EXIT_SUCCESS : EX_CONFIG;
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
