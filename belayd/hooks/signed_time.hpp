#pragma once
#include "belayd/config/scheme.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace belay::hooks {

/** Nothing where the text is no time of that format. */
[[nodiscard]] std::optional<std::chrono::sys_seconds> parse_signed_time(
    config::SignedTime::Format format, std::string_view text);

/** What parse_signed_time() reads. */
[[nodiscard]] std::string format_signed_time(config::SignedTime::Format format, std::chrono::sys_seconds time);

} // namespace belay::hooks
