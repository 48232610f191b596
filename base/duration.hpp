#pragma once
#include <chrono>
#include <string>
#include <string_view>

namespace belay {

using Milliseconds = std::chrono::milliseconds;

/**
 * "250ms", "30s", "10m", "1h30m", "7d" → milliseconds.  A bare number is refused, so that nobody has to guess the unit.
 * @throws std::invalid_argument with a sentence for the operator
 */
[[nodiscard]] Milliseconds parse_duration(std::string_view text);

/** The text that parse_duration() reads back to the same value: 90000 ms → "1m30s". */
[[nodiscard]] std::string format_duration(Milliseconds duration);

} // namespace belay
