#pragma once
#include <string>
#include <string_view>

namespace belay::hooks {

/** What GitHub sends as X-Hub-Signature-256: "sha256=" and the HMAC-SHA256 of the raw body, in lower-case digits. */
[[nodiscard]] std::string github_signature(std::string_view secret, std::string_view body);

} // namespace belay::hooks
