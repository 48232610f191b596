#pragma once
#include "base/timestamp.hpp"
#include "belayd/config/scheme.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace belay::hooks {

/** Nothing where the text is no time of that format. */
[[nodiscard]] std::optional<Timestamp> parse_signed_time(config::SignedTime::Format format, std::string_view text);

/** What parse_signed_time() reads. */
[[nodiscard]] std::string format_signed_time(config::SignedTime::Format format, Timestamp time);

} // namespace belay::hooks
