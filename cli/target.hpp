#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::cli {

/** For one path segment or query value: all but the unreserved characters of RFC 3986 §2.3 as %XX. */
[[nodiscard]] std::string percent_encode(std::string_view text);

/** `path` with a query of those parameters that have a value. */
[[nodiscard]] std::string make_target(
    std::string path, const std::vector<std::pair<std::string_view, std::string>>& parameters);

/**
 * "/api/v1/jobs/ID" and what follows.
 * @throws Failure, 64, for what cannot be the id of a job
 */
[[nodiscard]] std::string job_target(const std::string& id, std::string_view rest = "");

} // namespace belay::cli
