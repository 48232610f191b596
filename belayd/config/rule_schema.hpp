#pragma once
#include "belayd/config/problems.hpp"
#include "belayd/config/rule.hpp"
#include "belayd/config/toml_document.hpp"

#include <optional>
#include <string>

/** TOML → Rule and back. */
namespace belay::config {

/** The `when` of a hook: every mistake in it is added to the problems, each with its place. */
[[nodiscard]] std::optional<Rule> read_rule(const Node& node, Problems& problems);

/** TOML text of the value. */
[[nodiscard]] std::string write_rule(const Rule& rule);

} // namespace belay::config
