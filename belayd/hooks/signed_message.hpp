#pragma once
#include "belayd/config/scheme.hpp"

#include <string_view>
#include <vector>

namespace belay::hooks {

/** What a request has in the places of what is signed.  Views. */
struct SignedParts {
    std::string_view body;
    std::string_view timestamp = {}; ///< as it is sent
    std::string_view id = {};
};

/** What is signed, in pieces, so that none is copied: views into both. */
[[nodiscard]] std::vector<std::string_view> fill_message(
    const std::vector<config::MessagePart>& message, const SignedParts& parts);

} // namespace belay::hooks
