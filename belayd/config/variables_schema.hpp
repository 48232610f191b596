#pragma once
#include "belayd/config/config.hpp"
#include "belayd/config/problems.hpp"
#include "belayd/config/toml_document.hpp"

#include <map>
#include <string>

/** `env` and `files` of a hook: names of variables, and what each says. */
namespace belay::config {

using NamedSources = std::map<std::string, ValueSource>;

/** { BRANCH = { payload = "/ref" } } */
[[nodiscard]] NamedSources read_variables(const Node& node, Problems& problems);

/** { PAYLOAD_FILE = { request = "body" } } */
[[nodiscard]] NamedSources read_files(const Node& node, Problems& problems);

/** TOML text of either. */
[[nodiscard]] std::string write_values(const NamedSources& sources);

/** Whether each variable is set once: env, files and overflow_file share their names. */
void check_variables(const Hook& hook, Problems& problems);

} // namespace belay::config
