#include "signals/manager.hpp"
#include "tests/signals/silent_bus.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <map>
#include <string>

namespace belay::signals {
namespace {

using namespace std::chrono_literals;

Environment with(std::map<std::string, std::string> variables)
{
    return [variables = std::move(variables)](const char* name) {
        const auto found = variables.find(name);
        return found == variables.end() ? nullptr : found->second.c_str();
    };
}

TEST(Manager, IsDetectedByWhatItSets)
{
    EXPECT_EQ(detect_manager(with({})), Manager::none);
    EXPECT_EQ(detect_manager(with({{"NOTIFY_SOCKET", "/run/systemd/notify"}})), Manager::systemd);
    EXPECT_EQ(detect_manager(with({{"INVOCATION_ID", "0123"}})), Manager::systemd);
    EXPECT_EQ(detect_manager(with({{"SUPERVISOR_ENABLED", "1"}})), Manager::supervisord);
    EXPECT_EQ(detect_manager(with({{"KUBERNETES_SERVICE_HOST", "10.0.0.1"}})), Manager::kubernetes);
    EXPECT_EQ(detect_manager(with({{"NOTIFY_SOCKET", ""}})), Manager::none);
}

TEST(Manager, IsTheNearestOne)
{
    EXPECT_EQ(detect_manager(with({{"SUPERVISOR_ENABLED", "1"}, {"INVOCATION_ID", "0123"}})), Manager::supervisord)
        << "supervisord is itself a unit";
    EXPECT_EQ(detect_manager(with({{"SUPERVISOR_ENABLED", "1"}, {"KUBERNETES_SERVICE_HOST", "10.0.0.1"}})),
        Manager::supervisord);
}

TEST(Manager, AUnitsProcessIsTheOneThatSystemdExecuted)
{
    EXPECT_FALSE(is_a_units_process(with({})));
    EXPECT_FALSE(is_a_units_process(with({{"SYSTEMD_EXEC_PID", "1"}}))) << "a child of one";
    EXPECT_TRUE(is_a_units_process(with({{"SYSTEMD_EXEC_PID", std::to_string(::getpid())}})));
}

TEST(UnitStopTimeout, IsUnknownWhereNoBusIs)
{
    ::setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1);
    ::setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1);
    EXPECT_EQ(unit_stop_timeout(with({}), 10s, [] { return false; }), std::nullopt);
    ::unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
    ::unsetenv("DBUS_SESSION_BUS_ADDRESS");
}

TEST(UnitStop, IsUnknownWhereNobodyAnswers)
{
    const testing::SilentBus bus;
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_FALSE(unit_stop(with({}), 100ms));
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 100ms);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
}

TEST(UnitStopTimeout, GivesUpOnABusThatSaysNothing)
{
    const testing::SilentBus bus;
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(unit_stop_timeout(with({}), 100ms, [] { return false; }), std::nullopt);
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 100ms);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s) << "sd-bus itself would wait for 25 s";
}

TEST(UnitStopTimeout, CanBeCancelled)
{
    const testing::SilentBus bus;
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(unit_stop_timeout(with({}), 1h, [] { return true; }), std::nullopt);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
}

} // namespace
} // namespace belay::signals
