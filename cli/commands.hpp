#pragma once
#include "cli/context.hpp"

#include <CLI/App.hpp>

#include <functional>

namespace belay::cli {

/** What the command line asked for; returns the exit status. */
using Command = std::function<int()>;

// Each adds its commands to `app`.  Parsing one of them sets `chosen`, which works with `context`.
void add_check(CLI::App& app, Context& context, Command& chosen);
void add_explain(CLI::App& app, Context& context, Command& chosen);
void add_test(CLI::App& app, Context& context, Command& chosen);
void add_import(CLI::App& app, Context& context, Command& chosen);
void add_send(CLI::App& app, Context& context, Command& chosen);
void add_doctor(CLI::App& app, Context& context, Command& chosen);
void add_status(CLI::App& app, Context& context, Command& chosen);
void add_jobs(CLI::App& app, Context& context, Command& chosen); ///< jobs, job, retry, cancel
void add_logs(CLI::App& app, Context& context, Command& chosen);
void add_reload(CLI::App& app, Context& context, Command& chosen);

} // namespace belay::cli
