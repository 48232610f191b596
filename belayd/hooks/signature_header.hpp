#pragma once
#include "belayd/config/scheme.hpp"

#include <optional>
#include <string_view>
#include <vector>

/** What the header of a scheme holds.  Views into it. */
namespace belay::hooks {

/** The signatures of a form; none where the header is malformed, or has more than 16. */
[[nodiscard]] std::vector<std::string_view> find_signatures(
    config::Scheme::Layout layout, const config::SignatureForm& form, std::string_view header);

/** The value of the one pair `label`; nothing where there are none or several. */
[[nodiscard]] std::optional<std::string_view> find_pair(std::string_view label, std::string_view header);

} // namespace belay::hooks
