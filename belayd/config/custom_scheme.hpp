#pragma once
#include "belayd/config/problems.hpp"
#include "belayd/config/scheme.hpp"
#include "belayd/config/toml_document.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

/** The scheme of a sender that has no name here, as its operator describes it. */
namespace belay::config {

inline constexpr std::string_view custom_scheme_name = "custom";

/** Of what describes it, beside scheme, tolerance and the secrets. */
[[nodiscard]] std::vector<std::string_view> custom_scheme_keys();

/** Nothing where it is no scheme, which is then a problem. */
[[nodiscard]] std::optional<Scheme> read_custom_scheme(const Node& auth, Problems& problems);

/** ", KEY = VALUE" for each key that says more than its default. */
[[nodiscard]] std::string write_custom_scheme(const Scheme& scheme);

} // namespace belay::config
