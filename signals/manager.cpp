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

// "self": systemd looks for the unit of who asks.  sd_pid_get_unit(3) needs /proc/1, which ProtectProc= hides.
constexpr const char* own_unit = "/org/freedesktop/systemd1/unit/self";

struct Closer {
    void operator()(sd_bus* bus) const noexcept { ::sd_bus_close_unref(bus); }
    void operator()(sd_bus_slot* slot) const noexcept { ::sd_bus_slot_unref(slot); }
    void operator()(sd_bus_message* message) const noexcept { ::sd_bus_message_unref(message); }
};
using Bus = std::unique_ptr<sd_bus, Closer>;
using Slot = std::unique_ptr<sd_bus_slot, Closer>; // of a call: without it, its answer comes to nobody
using Message = std::unique_ptr<sd_bus_message, Closer>;

int take_answer(sd_bus_message* reply, void* userdata, sd_bus_error* /*error*/)
{
    static_cast<Message*>(userdata)->reset(::sd_bus_message_ref(reply));
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

/** Properties of what systemd manages, asked for one after the other within a time. */
class Questions {
public:
    Questions(const Environment& environment, std::chrono::milliseconds limit, std::function<bool()> cancelled)
        : bus_(open_bus(environment)), deadline_(Clock::now() + limit), cancelled_(std::move(cancelled))
    {
    }

    /** @return the answer, a variant; null where there is none */
    [[nodiscard]] Message ask(const char* path, const char* interface, const char* property) const
    {
        // Not sd_bus_get_property(): its wait for the bus to let us in has a limit of its own, 25 s.
        Message answer;
        sd_bus_slot* call = nullptr;
        if (!bus_ || ::sd_bus_call_method_async(bus_.get(), &call, "org.freedesktop.systemd1", path,
                         "org.freedesktop.DBus.Properties", "Get", take_answer, &answer, "ss", interface, property) < 0)
            return nullptr;
        const Slot slot{call};
        while (!answer && Clock::now() < deadline_ && !cancelled_()) {
            const int progress = ::sd_bus_process(bus_.get(), nullptr);
            if (progress < 0 || (progress == 0 && ::sd_bus_wait(bus_.get(), wait_slice.count()) < 0))
                return nullptr;
        }
        return answer && ::sd_bus_message_is_method_error(answer.get(), nullptr) == 0 ? std::move(answer) : nullptr;
    }

    /** A property of our own service. */
    [[nodiscard]] std::optional<std::uint32_t> number(const char* property) const
    {
        const Message answer = ask(own_unit, "org.freedesktop.systemd1.Service", property);
        std::uint32_t value = 0;
        if (!answer || ::sd_bus_message_read(answer.get(), "v", "u", &value) <= 0)
            return std::nullopt;
        return value;
    }

private:
    Bus bus_;
    Clock::time_point deadline_;
    std::function<bool()> cancelled_;
};

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
    const Questions systemd{environment, limit, cancelled};
    const Message answer = systemd.ask(own_unit, "org.freedesktop.systemd1.Service", "TimeoutStopUSec");
    std::uint64_t usec = 0;
    if (!answer || ::sd_bus_message_read(answer.get(), "v", "t", &usec) <= 0)
        return std::nullopt;
    return std::chrono::microseconds{
        std::min(usec, static_cast<std::uint64_t>(std::chrono::microseconds::max().count()))};
}

std::optional<UnitStop> unit_stop(const Environment& environment, std::chrono::milliseconds limit)
{
    const Questions systemd{environment, limit, [] { return false; }};
    const std::optional<std::uint32_t> most = systemd.number("FileDescriptorStoreMax");
    const std::optional<std::uint32_t> stored = systemd.number("NFileDescriptorStore");
    if (!most || !stored)
        return std::nullopt;
    const std::size_t room = *most - std::min(*most, *stored);
    std::uint32_t id = 0; // 0: nobody asked the manager to do anything
    const char* job = nullptr;
    const Message unit = systemd.ask(own_unit, "org.freedesktop.systemd1.Unit", "Job");
    if (!unit || ::sd_bus_message_read(unit.get(), "v", "(uo)", &id, &job) <= 0)
        return std::nullopt;
    if (id == 0)
        return UnitStop{.restart = false, .room = room};
    const char* type = nullptr; // "restart" until the unit has stopped, then "start"
    const Message asked = systemd.ask(job, "org.freedesktop.systemd1.Job", "JobType");
    if (!asked || ::sd_bus_message_read(asked.get(), "v", "s", &type) <= 0)
        return std::nullopt;
    return UnitStop{.restart = std::string_view{type} == "restart", .room = room};
}

} // namespace belay::signals
