#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace belay::webhook {

/**
 * What a plain scalar of YAML 1.1 is to adnanh/webhook (go-yaml 2): null, a boolean, an integer, a number or, the rest,
 * a text.  yaml-cpp would go by YAML 1.2: no yes, no on, no 010 for 8.
 */
using Scalar = std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string>;

[[nodiscard]] Scalar resolve_plain(std::string_view text);

/** A number where a text is wanted: the shortest that gives the same 32-bit float, as Go's %g writes it. */
[[nodiscard]] std::string format_float(double number);

} // namespace belay::webhook
