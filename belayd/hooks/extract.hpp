#pragma once
#include "base/byte_size.hpp"
#include "belayd/hooks/hook_table.hpp"
#include "belayd/hooks/values.hpp"

#include <variant>

namespace belay::hooks {

/** Of all files of an event: they are in one row of the store, which is at most 256 MiB. */
inline constexpr Bytes max_file_bytes = 128_MiB;

/**
 * Takes the arguments, variables and files of a hook from an authenticated request.
 *
 * The body is parsed only if the hook asks for something in it.  Refused are: an argument that is missing; text with a
 * NUL, or longer than Linux passes to a program, as an argument or a variable; an argument from the request that begins
 * with "-", since the command would read it as an option, unless that is allowed; what is not base64 where it should
 * be.  A variable or file that is missing is left out; files hold anything.
 * Thread-safe.
 * @throws MalformedPayload
 */
[[nodiscard]] std::variant<Invocation, Refusal> extract(const config::Hook& hook, Values& values);

} // namespace belay::hooks
