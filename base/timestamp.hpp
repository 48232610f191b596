#pragma once
#include <chrono>
#include <string>

namespace belay {

/** Wall-clock time, with what SQL, JSON and logs show of it. */
using Timestamp = std::chrono::sys_time<std::chrono::microseconds>;

/** "2026-11-20T06:00:00.000123Z": RFC 3339, UTC, always six digits. */
[[nodiscard]] std::string format_timestamp(Timestamp time);

} // namespace belay
