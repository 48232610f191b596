#include "signals/notify_socket.hpp"

#include "base/descriptor_passing.hpp"
#include "base/utf8.hpp"

#include <systemd/sd-daemon.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

namespace belay::signals {
namespace {

/** PID 1 keeps what it is told in memory and prints it in one line of `systemctl status`. */
constexpr std::size_t status_limit = 500;

} // namespace

bool has_service_manager() noexcept
{
    const char* const path = std::getenv("NOTIFY_SOCKET"); // NOLINT(concurrency-mt-unsafe): nobody changes it
    return path != nullptr && *path != '\0';
}

int send_notification(const std::string& message, std::span<const UniqueFd> descriptors) noexcept
{
    std::array<int, descriptors_per_message> numbers{};
    if (descriptors.size() > numbers.size())
        return E2BIG;
    std::ranges::transform(descriptors, numbers.begin(), &UniqueFd::get);
    return std::max(0, -::sd_pid_notify_with_fds(/*pid=*/0, /*unset_environment=*/0, message.c_str(), numbers.data(),
                           static_cast<unsigned>(descriptors.size())));
}

std::string storage_message(std::string_view name)
{
    return "FDSTORE=1\nFDPOLL=0\nFDNAME=" + std::string{name};
}

std::string removal_message(std::string_view name)
{
    return "FDSTOREREMOVE=1\nFDNAME=" + std::string{name};
}

int await_barrier(std::chrono::milliseconds timeout) noexcept
{
    const auto usec = static_cast<std::uint64_t>(std::chrono::microseconds{timeout}.count());
    return std::max(0, -::sd_notify_barrier(/*unset_environment=*/0, usec));
}

std::optional<std::chrono::microseconds> watchdog_interval() noexcept
{
    std::uint64_t usec = 0;
    if (::sd_watchdog_enabled(/*unset_environment=*/0, &usec) <= 0) // also where WATCHDOG_PID names another process
        return std::nullopt;
    return std::chrono::microseconds{usec};
}

std::string status_assignment(std::string_view text)
{
    return "STATUS=" + escape_for_line(text, status_limit);
}

std::string reloading_message(std::chrono::steady_clock::time_point requested)
{
    // steady_clock is CLOCK_MONOTONIC in libstdc++, the clock that sd_notify(3) asks for.
    const auto usec = std::chrono::duration_cast<std::chrono::microseconds>(requested.time_since_epoch());
    return "RELOADING=1\nMONOTONIC_USEC=" + std::to_string(usec.count());
}

} // namespace belay::signals
