#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::hooks {

/** One name and value, decoded. */
struct FormField {
    std::string name;
    std::string value;
};

/**
 * application/x-www-form-urlencoded, and with it a query string.
 * @param most what comes after so many fields is not looked at
 * @return nothing where something stands in it that must be percent-encoded: quotes, blanks, line ends, other bytes
 * than ASCII.  So no text is both JSON or multipart and a form
 */
[[nodiscard]] std::optional<std::vector<FormField>> parse_form(std::string_view text, std::size_t most);

} // namespace belay::hooks
