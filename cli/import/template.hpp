#pragma once
#include "cli/import/hooks_file.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace belay::webhook {

/** A variable's value; nothing where it is not set. */
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

/**
 * What webhook -template makes of a hooks file: a Go template, https://pkg.go.dev/text/template, of which the
 * documented form is known, {{ getenv "NAME" }}, also with | js after it and with the markers that trim white space.
 * Any other action is left out.
 * @param remarks gains what is left out, variables that are not set, and those with line ends that nothing escapes
 * @throws FileError where an action has no end or a comment is malformed: webhook drops the whole file; and where
 * the file is over max_file_bytes, or is to become so
 */
[[nodiscard]] FileText expand_template(
    const std::string& text, const Environment& environment, std::vector<Remark>& remarks);

} // namespace belay::webhook
