#include "base/utf8.hpp"
#include "signals/notify_socket.hpp"
#include "tests/signals/fake_manager.hpp"

#include <gtest/gtest.h>

#include <sys/eventfd.h>

#include <cerrno>
#include <thread>
#include <vector>

namespace belay::signals {
namespace {

using namespace std::chrono_literals;

TEST(NotifySocket, SendsNothingWithoutAManager)
{
    ASSERT_FALSE(has_service_manager());
    EXPECT_EQ(send_notification("READY=1"), 0);
}

TEST(NotifySocket, SendsOneDatagramForAMessage)
{
    const testing::FakeManager manager;
    ASSERT_TRUE(has_service_manager());
    EXPECT_EQ(send_notification("READY=1\nSTATUS=ready"), 0);
    EXPECT_EQ(send_notification("STOPPING=1"), 0);
    EXPECT_EQ(manager.receive(), "READY=1\nSTATUS=ready");
    EXPECT_EQ(manager.receive(), "STOPPING=1");
    EXPECT_TRUE(has_service_manager()) << "the environment must stay as it is";
}

TEST(NotifySocket, NamesTheErrorOfAMissingSocket)
{
    ::setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
    EXPECT_EQ(send_notification("READY=1"), ENOENT);
    ::unsetenv("NOTIFY_SOCKET");
}

std::vector<UniqueFd> descriptors(std::size_t count)
{
    std::vector<UniqueFd> fds;
    while (fds.size() < count)
        fds.emplace_back(::eventfd(0, EFD_CLOEXEC));
    return fds;
}

TEST(NotifySocket, StoresDescriptors)
{
    const testing::FakeManager manager;
    EXPECT_EQ(send_notification(storage_message("name"), descriptors(253)), 0);
    std::vector<UniqueFd> stored;
    EXPECT_EQ(manager.receive(0, &stored), "FDSTORE=1\nFDPOLL=0\nFDNAME=name");
    EXPECT_EQ(stored.size(), 253U);
    EXPECT_EQ(send_notification("FDSTORE=1", descriptors(254)), E2BIG);
    EXPECT_EQ(manager.receive(0), std::nullopt);
    EXPECT_EQ(removal_message("name"), "FDSTOREREMOVE=1\nFDNAME=name");
}

TEST(NotifySocket, BarrierIsOverWhenTheManagerClosesItsDescriptor)
{
    const testing::FakeManager manager;
    std::thread answering{[&manager] {
        std::vector<UniqueFd> barrier;
        EXPECT_EQ(manager.receive(10'000, &barrier), "BARRIER=1");
        EXPECT_EQ(barrier.size(), 1U);
    }};
    EXPECT_EQ(await_barrier(10s), 0);
    answering.join();
}

TEST(NotifySocket, BarrierTimesOutWhenTheManagerNeverAnswers)
{
    const testing::FakeManager manager;
    EXPECT_EQ(await_barrier(20ms), ETIMEDOUT);
}

TEST(NotifySocket, WatchdogIntervalHonoursWatchdogPid)
{
    EXPECT_EQ(watchdog_interval(), std::nullopt);
    ::setenv("WATCHDOG_USEC", "3000000", 1);
    EXPECT_EQ(watchdog_interval(), 3s);
    ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
    EXPECT_EQ(watchdog_interval(), 3s);
    ::setenv("WATCHDOG_PID", "1", 1);
    EXPECT_EQ(watchdog_interval(), std::nullopt);
    ::unsetenv("WATCHDOG_PID");
    ::unsetenv("WATCHDOG_USEC");
}

TEST(NotifySocket, StatusIsOneLineOfValidUtf8)
{
    EXPECT_EQ(status_assignment("ready: 3 hooks"), "STATUS=ready: 3 hooks");
    const std::string hostile = status_assignment("line\nREADY=1\xff" + std::string(5000, 'x'));
    EXPECT_EQ(hostile.find('\n'), std::string::npos);
    EXPECT_TRUE(is_valid_utf8(hostile));
    EXPECT_LT(hostile.size(), 600U);
}

TEST(NotifySocket, ReloadingCarriesTheTimeOfTheRequest)
{
    const std::chrono::steady_clock::time_point requested{1234567us};
    EXPECT_EQ(reloading_message(requested), "RELOADING=1\nMONOTONIC_USEC=1234567");
}

} // namespace
} // namespace belay::signals
