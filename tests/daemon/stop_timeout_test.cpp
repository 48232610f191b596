#include "daemon/stop_timeout.hpp"
#include "tests/signals/silent_bus.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

namespace belay::daemon {
namespace {

using namespace std::chrono_literals;
using signals::Manager;

signals::Environment saying(std::string variable, std::string value)
{
    return [variable = std::move(variable), value = std::move(value)](
               const char* name) { return name == variable ? value.c_str() : nullptr; };
}

std::optional<std::chrono::milliseconds> declared(Manager manager, const signals::Environment& environment)
{
    const auto found = declared_stop_timeout(manager, environment);
    return found ? std::optional{found->value} : std::nullopt;
}

TEST(StopTimeout, OfAManagerThatTellsNothingIsItsDefault)
{
    const auto silent = saying("", "");
    EXPECT_EQ(declared(Manager::none, silent), std::nullopt);
    EXPECT_EQ(declared(Manager::supervisord, silent), 10s);
    EXPECT_EQ(declared(Manager::kubernetes, silent), 30s);
    EXPECT_EQ(declared(Manager::kubernetes, saying("BELAY_STOP_TIMEOUT", "")), 30s);
}

TEST(StopTimeout, IsWhatTheOperatorSays)
{
    for (const auto manager : {Manager::none, Manager::supervisord, Manager::kubernetes})
        EXPECT_EQ(declared(manager, saying("BELAY_STOP_TIMEOUT", "1m30s")), 90s);
    EXPECT_THROW((void)declared(Manager::none, saying("BELAY_STOP_TIMEOUT", "60")), std::invalid_argument);
}

bool asking(const Threads& threads)
{
    const auto running = threads.running();
    return std::ranges::find(running, "manager", &ThreadRecord::name) != running.end();
}

TEST(StopTimeoutCheck, BlocksNobodyOnABusThatSaysNothing)
{
    const testing::SilentBus bus;
    Threads threads;
    StopTimeoutCheck check{threads, Manager::systemd, saying("SYSTEMD_EXEC_PID", std::to_string(::getpid()))};
    const auto begin = std::chrono::steady_clock::now();
    check.check(45s);
    EXPECT_TRUE(asking(threads));
    check.check(50s); // while the thread asks
    check.stop();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s) << "it would ask for 10 s";
    EXPECT_FALSE(asking(threads));
    check.check(55s);
    EXPECT_FALSE(asking(threads)) << "after the stop";
}

TEST(StopTimeoutCheck, AsksNotForTheUnitOfAnother)
{
    const testing::SilentBus bus;
    Threads threads;
    StopTimeoutCheck check{threads, Manager::systemd, saying("SYSTEMD_EXEC_PID", "1")};
    check.check(45s);
    EXPECT_FALSE(asking(threads));
}

} // namespace
} // namespace belay::daemon
