#pragma once
#include "http/header_policy.hpp"

#include <optional>
#include <string_view>
#include <vector>

namespace belay::http {

/**
 * Splits a complete head into its parts with Beast's parser.
 *
 * @param raw a head as HeadScanner delimits it; `head` and `fields` get views into it
 * @return why it is malformed, if it is: 400, or 505 for another version of HTTP
 */
[[nodiscard]] std::optional<Rejection> parse_head(std::string_view raw, Head& head, std::vector<Field>& fields);

} // namespace belay::http
