#pragma once
#include <sys/wait.h>

namespace belay::testing {

/** Waits for all children to end.  Test programs adopt orphans: who has some killed has them to reap. */
inline void reap_children()
{
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
}

} // namespace belay::testing
