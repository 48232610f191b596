#pragma once
#include "base/timestamp.hpp"
#include "base/uuid.hpp"

namespace belay::hooks {

/** What an event is known by, before it is stored: its command may be told. */
struct EventIdentity {
    Uuid event;
    Uuid job;
    Timestamp received;
};

/** Of an event that comes now.  The ids of one thread are in the order in which they are made. */
[[nodiscard]] EventIdentity make_event_identity();

} // namespace belay::hooks
