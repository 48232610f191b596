#pragma once
#include "http/request.hpp"

#include <chrono>
#include <optional>

namespace belay::http {

/**
 * What `Prefer: wait=N` asks for (RFC 7240 §4.3): how long the client would wait for the outcome.
 *
 * Of several the first counts, over all field lines; what is malformed beside it is passed over.  Nothing if there is
 * none, or the first has no number.
 */
[[nodiscard]] std::optional<std::chrono::seconds> preferred_wait(const Request& request);

} // namespace belay::http
