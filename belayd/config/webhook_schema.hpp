#pragma once
#include "belayd/config/config.hpp"
#include "belayd/config/problems.hpp"
#include "belayd/config/toml_document.hpp"

#include <string>

/** compat = "webhook" and what comes with it. */
namespace belay::config {

void read_compat(const Node& node, Hook& hook, Problems& problems);

/** [hooks.NAME.webhook]; compat is read before. */
void read_webhook(const Node& node, Hook& hook, Problems& problems);

/** TOML text of the table. */
[[nodiscard]] std::string write_webhook(const Hook& hook);

/** Dotted paths are for hooks with compat, pointers for those without. */
void check_compat(const Hook& hook, Problems& problems);

} // namespace belay::config
