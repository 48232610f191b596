#include "signals/manager.hpp"

#include <systemd/sd-bus.h>

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>

namespace belay::signals {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/** How soon a cancellation is seen. */
constexpr std::chrono::microseconds wait_slice = 50ms;

struct Closer {
    void operator()(sd_bus* bus) const noexcept { ::sd_bus_close_unref(bus); }
};
using Bus = std::unique_ptr<sd_bus, Closer>;

struct Answer {
    bool came = false;
    std::optional<std::chrono::microseconds> timeout;
};

int take_answer(sd_bus_message* reply, void* userdata, sd_bus_error* /*error*/)
{
    auto& answer = *static_cast<Answer*>(userdata);
    answer.came = true;
    std::uint64_t usec = 0;
    if (::sd_bus_message_is_method_error(reply, nullptr) == 0 && ::sd_bus_message_read(reply, "v", "t", &usec) > 0)
        answer.timeout = std::chrono::microseconds{
            std::min(usec, static_cast<std::uint64_t>(std::chrono::microseconds::max().count()))};
    return 1;
}

bool is_set(const char* value)
{
    return value != nullptr && *value != '\0';
}

/** The bus of the systemd that executed us: a user's own ($MANAGERPID, systemd.exec(5)) or the host's. */
Bus open_bus(const Environment& environment)
{
    sd_bus* bus = nullptr;
    (void)(is_set(environment("MANAGERPID")) ? ::sd_bus_open_user(&bus) : ::sd_bus_open_system(&bus));
    return Bus{bus}; // null where there is none
}

} // namespace

std::string_view to_string(Manager manager) noexcept
{
    switch (manager) {
    case Manager::none:
        return "none";
    case Manager::systemd:
        return "systemd";
    case Manager::supervisord:
        return "supervisord";
    case Manager::kubernetes:
        return "kubernetes";
    }
    return "unknown";
}

Manager detect_manager(const Environment& environment)
{
    if (is_set(environment("SUPERVISOR_ENABLED")))
        return Manager::supervisord;
    if (is_set(environment("NOTIFY_SOCKET")) || is_set(environment("INVOCATION_ID")))
        return Manager::systemd;
    if (is_set(environment("KUBERNETES_SERVICE_HOST")))
        return Manager::kubernetes;
    return Manager::none;
}

bool is_a_units_process(const Environment& environment)
{
    const char* const pid = environment("SYSTEMD_EXEC_PID");
    return pid != nullptr && pid == std::to_string(::getpid());
}

std::optional<std::chrono::microseconds> unit_stop_timeout(
    const Environment& environment, std::chrono::milliseconds limit, const std::function<bool()>& cancelled)
{
    const auto deadline = Clock::now() + limit;
    Answer answer;
    const Bus bus = open_bus(environment);
    if (!bus)
        return std::nullopt;
    // "self": systemd looks for the unit of who asks.  sd_pid_get_unit(3) needs /proc/1, which ProtectProc= hides.
    // Not sd_bus_get_property(): its wait for the bus to let us in has a limit of its own, 25 s.
    if (::sd_bus_call_method_async(bus.get(), nullptr, "org.freedesktop.systemd1",
            "/org/freedesktop/systemd1/unit/self", "org.freedesktop.DBus.Properties", "Get", take_answer, &answer, "ss",
            "org.freedesktop.systemd1.Service", "TimeoutStopUSec") < 0)
        return std::nullopt;
    while (!answer.came && Clock::now() < deadline && !cancelled()) {
        const int progress = ::sd_bus_process(bus.get(), nullptr);
        if (progress < 0 || (progress == 0 && ::sd_bus_wait(bus.get(), wait_slice.count()) < 0))
            return std::nullopt;
    }
    return answer.timeout;
}

} // namespace belay::signals
