#pragma once
#include "belayd/hooks/webhook_json.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::hooks {

/** A query or a form as Go's url.ParseQuery reads it: the first value of each name. */
struct GoQuery {
    GoValue values{.kind = GoValue::Kind::object, .members = {}};
    bool is_sound = true; ///< else a pair has a ";" or an escape that is none, and was left out
};

[[nodiscard]] GoQuery parse_go_query(std::string_view text);

/** One part of a multipart form. */
struct GoPart {
    std::string name;
    bool is_file = false; ///< has a file name
    bool is_json = false; ///< by its Content-Type
    std::string content;
};

/**
 * The parts that have a name, as Go's mime/multipart reads them: lines may end without a carriage return, and there may
 * be text before the first boundary.
 * @return nothing where it is malformed
 */
[[nodiscard]] std::optional<std::vector<GoPart>> parse_go_multipart(
    std::string_view body, std::string_view content_type);

} // namespace belay::hooks
