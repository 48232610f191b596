#pragma once
#include "base/unique_fd.hpp"

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace belay::signals {

/** Whether a service manager listens: $NOTIFY_SOCKET is set. */
[[nodiscard]] bool has_service_manager() noexcept;

/** One datagram of newline-separated assignments, and what goes with it. */
struct Notification {
    std::string text;
    std::vector<UniqueFd> descriptors{};
};

/**
 * Sends one datagram of newline-separated assignments, sd_notify(3), with copies of up to `descriptors_per_message`
 * descriptors.  BLOCKS while the manager does not read: only the notify thread may call it.
 * @return an error number, 0 if sent or if there is no manager
 */
[[nodiscard]] int send_notification(const std::string& message, std::span<const UniqueFd> descriptors = {}) noexcept;

/**
 * "FDSTORE=1": puts what goes with it into the manager's descriptor store under that name; it stays there when its
 * other end is closed, too ("FDPOLL=0").
 */
[[nodiscard]] std::string storage_message(std::string_view name);

/** "FDSTOREREMOVE=1": takes everything of that name out of the store. */
[[nodiscard]] std::string removal_message(std::string_view name);

/**
 * Waits until the manager has processed what was sent before: BARRIER=1, sd_notify_barrier(3).  BLOCKS.
 * @return an error number; ETIMEDOUT where the manager never answers
 */
[[nodiscard]] int await_barrier(std::chrono::milliseconds timeout) noexcept;

/** How often the manager wants a ping (WatchdogSec=), if it watches this process: sd_watchdog_enabled(3). */
[[nodiscard]] std::optional<std::chrono::microseconds> watchdog_interval() noexcept;

/** "STATUS=" needs one line of valid UTF-8, else systemd drops it: escapes and cuts the text to that. */
[[nodiscard]] std::string status_assignment(std::string_view text);

/** "RELOADING=1\nMONOTONIC_USEC=…" with the time at which the request arrived, CLOCK_MONOTONIC. */
[[nodiscard]] std::string reloading_message(std::chrono::steady_clock::time_point requested);

} // namespace belay::signals
