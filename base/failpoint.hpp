#pragma once
#include "build_config.hpp"

#include <string_view>

namespace belay {

/**
 * A place where a test makes the process fail, named `name` and `suffix` together: "store" ".turn".
 *
 * Only in a build with -Dfailpoints=true; elsewhere it is nothing.  It looks for a file of its name in the directory
 * $BELAY_FAILPOINTS, renames it to NAME.reached, so that it works once and the test sees it, and does what it says:
 *
 *     kill       SIGKILL to itself
 *     segfault   SIGSEGV to itself
 *     exit       exit status 1, at once
 *     wedge      blocks until NAME.reached is removed
 *
 * Thread-safe.
 */
#if BELAY_FAILPOINTS
void failpoint(std::string_view name, std::string_view suffix = {}) noexcept;
#else
inline void failpoint(std::string_view /*name*/, std::string_view /*suffix*/ = {}) noexcept {}
#endif

} // namespace belay
