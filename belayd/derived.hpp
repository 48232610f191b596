#pragma once
#include "belayd/command_line.hpp"
#include "belayd/config/config.hpp"
#include "belayd/jobs/scheduler.hpp"
#include "daemon/core.hpp"

#include <string>

/** What the rooms are told, derived from the configuration. */
namespace belay {

[[nodiscard]] daemon::CoreOptions core_options(const config::Config& config, const CommandLine& command_line);

/** Rules of the scheduler; looks the environment's allow-list up in this process's environment. */
[[nodiscard]] jobs::SchedulerRules scheduler_rules(const config::Config& config);

/** Path of the SQLite file that store.url names. */
[[nodiscard]] std::string store_path(const config::Config& config);

/** Where attempts find their files: on the disk of the store, and as private. */
[[nodiscard]] std::string files_directory(const config::Config& config);

} // namespace belay
