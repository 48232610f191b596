#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace belay::signals {

/** Who starts and stops this process. */
enum class Manager : std::uint8_t { none, systemd, supervisord, kubernetes };

[[nodiscard]] std::string_view to_string(Manager manager) noexcept;

/** std::getenv, or a test's. */
using Environment = std::function<const char*(const char* name)>;

/** The nearest one: a supervisord that systemd or Kubernetes started passes the variables of those on. */
[[nodiscard]] Manager detect_manager(const Environment& environment);

/** Whether systemd itself executed this process ($SYSTEMD_EXEC_PID, systemd.exec(5)): the unit it is in is then its
 * own. */
[[nodiscard]] bool is_a_units_process(const Environment& environment);

/**
 * The present TimeoutStopSec= of the unit that this process is in, asked over the bus of its systemd.  BLOCKS, for at
 * most `limit` and as long as `cancelled` says no.
 * @return microseconds::max() for infinity; nothing where it cannot be learnt
 */
[[nodiscard]] std::optional<std::chrono::microseconds> unit_stop_timeout(
    const Environment& environment, std::chrono::milliseconds limit, const std::function<bool()>& cancelled);

/** What its manager is doing to the unit, and would keep for it. */
struct UnitStop {
    bool restart = false; ///< it is going to be started again
    std::size_t room = 0; ///< how many descriptors fit in beside those that are stored; it says nothing of one too many
};

/** Asked as above, while the unit is being stopped. */
[[nodiscard]] std::optional<UnitStop> unit_stop(const Environment& environment, std::chrono::milliseconds limit);

} // namespace belay::signals
