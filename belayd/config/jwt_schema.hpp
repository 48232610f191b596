#pragma once
#include "belayd/config/jwt_rules.hpp"
#include "belayd/config/problems.hpp"
#include "belayd/config/toml_document.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace belay::config {

inline constexpr std::string_view jwt_scheme_name = "jwt";

/** Of auth with that scheme, beside scheme and the keys. */
[[nodiscard]] std::vector<std::string_view> jwt_keys();

void read_jwt(const Node& auth, JwtRules& rules, Problems& problems);

/** ", KEY = VALUE" for each. */
[[nodiscard]] std::string write_jwt(const JwtRules& rules);

} // namespace belay::config
