#pragma once
#include "belayd/hooks/encoding.hpp"
#include "belayd/hooks/mac.hpp"

#include <array>
#include <string>
#include <string_view>

namespace belay::hooks {

/** What GitHub sends as X-Hub-Signature-256: "sha256=" and the HMAC-SHA256 of the raw body, in lower-case digits. */
inline std::string github_signature(std::string_view secret, std::string_view body)
{
    return "sha256=" + to_hex(Mac{"SHA256", secret}.digest(std::array{body}).view());
}

} // namespace belay::hooks
