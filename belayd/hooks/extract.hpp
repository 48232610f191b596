#pragma once
#include "belayd/hooks/hook_table.hpp"
#include "belayd/hooks/values.hpp"

#include <variant>

namespace belay::hooks {

/**
 * Takes the arguments and variables of a hook from an authenticated request.
 *
 * The body is parsed as JSON only if the hook asks for something in it.  Refused are: an
 * argument that is missing; text with a NUL; text longer than Linux passes to a program; an argument that begins with
 * "-", since the command would read it as an option.  A variable that is missing is left out.
 * Thread-safe.
 * @throws MalformedPayload
 */
[[nodiscard]] std::variant<Invocation, Refusal> extract(const config::Hook& hook, Values& values);

} // namespace belay::hooks
