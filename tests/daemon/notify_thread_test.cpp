#include "base/descriptor_passing.hpp"
#include "daemon/notify_thread.hpp"
#include "daemon/watchdog.hpp"
#include "tests/signals/fake_manager.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/eventfd.h>

#include <string>
#include <thread>
#include <vector>

namespace belay::daemon {
namespace {

using namespace std::chrono_literals;
using belay::testing::FakeManager;

bool flushed(NotifyThread& notify, std::chrono::milliseconds timeout)
{
    asio::io_context io{1};
    auto result = asio::co_spawn(io, notify.flush(timeout), asio::use_future);
    io.run();
    return result.get();
}

/** Fills the manager's queue, so that the thread blocks: state messages until one is not sent in time. */
int fill_queue(NotifyThread& notify)
{
    int sent = 0;
    do
        notify.state("EXTEND_TIMEOUT_USEC=" + std::to_string(++sent));
    while (flushed(notify, 300ms));
    return sent;
}

TEST(NotifyThread, DoesNothingWithoutAManager)
{
    Threads threads;
    NotifyThread notify{threads};
    EXPECT_TRUE(threads.running().empty());
    notify.state("READY=1");
    EXPECT_TRUE(flushed(notify, 10s));
    notify.stop(10s);
}

TEST(NotifyThread, KeepsTheOrderOfStates)
{
    const FakeManager manager;
    Threads threads;
    NotifyThread notify{threads};
    notify.state("READY=1");
    notify.state("RELOADING=1");
    notify.state("READY=1");
    EXPECT_TRUE(flushed(notify, 10s));
    for (const char* expected : {"READY=1", "RELOADING=1", "READY=1"})
        EXPECT_EQ(manager.receive(0), expected) << "flush must mean: on the wire";
}

TEST(NotifyThread, StopSendsWhatWaits)
{
    const FakeManager manager;
    Threads threads;
    NotifyThread notify{threads};
    notify.state("STOPPING=1");
    notify.status("draining\nnow");
    notify.stop(10s);
    EXPECT_EQ(manager.receive(0), "STOPPING=1");
    EXPECT_EQ(manager.receive(0), "STATUS=draining\\nnow");
    notify.state("READY=1");
    EXPECT_EQ(manager.receive(0), std::nullopt) << "nothing may follow";
}

TEST(NotifyThread, MergesStatusAndPingsButNoState)
{
    const FakeManager manager;
    Threads threads;
    NotifyThread notify{threads};
    const int filled = fill_queue(notify);
    for (int i = 0; i < 100; ++i) {
        notify.status("old");
        notify.ping();
    }
    notify.status("new");
    notify.state("RELOADING=1");
    notify.state("READY=1");
    for (int i = 1; i <= filled; ++i)
        ASSERT_EQ(manager.receive(), "EXTEND_TIMEOUT_USEC=" + std::to_string(i));
    for (const char* expected : {"RELOADING=1", "READY=1", "WATCHDOG=1", "STATUS=new"})
        EXPECT_EQ(manager.receive(), expected);
    notify.stop(10s);
    EXPECT_EQ(manager.receive(0), std::nullopt);
}

bool delivered(NotifyThread& notify, std::vector<signals::Notification> messages, std::chrono::milliseconds timeout)
{
    asio::io_context io{1};
    auto result = asio::co_spawn(io, notify.deliver(std::move(messages), timeout), asio::use_future);
    io.run();
    return result.get();
}

std::vector<signals::Notification> messages(std::string text, int descriptor)
{
    std::vector<signals::Notification> list;
    list.emplace_back("STATUS=first");
    list.emplace_back(std::move(text)).descriptors.emplace_back(descriptor);
    return list;
}

TEST(NotifyThread, ADeliveryIsOverWhenTheManagerHasProcessedIt)
{
    const FakeManager manager;
    Threads threads;
    NotifyThread notify{threads};
    const int sent = ::eventfd(42, EFD_CLOEXEC);
    std::thread processing{[&manager] {
        EXPECT_EQ(manager.receive(), "STATUS=first");
        std::vector<UniqueFd> stored;
        EXPECT_EQ(manager.receive(10'000, &stored), "FDSTORE=1");
        ASSERT_EQ(stored.size(), 1U);
        eventfd_t value = 0;
        EXPECT_EQ(::eventfd_read(stored[0].get(), &value), 0);
        EXPECT_EQ(value, 42U);
        std::vector<UniqueFd> barrier;
        EXPECT_EQ(manager.receive(10'000, &barrier), "BARRIER=1");
    }};
    EXPECT_TRUE(delivered(notify, messages("FDSTORE=1", sent), 60s));
    processing.join();
    EXPECT_EQ(::fcntl(sent, F_GETFD), -1) << "its descriptors are the thread's, and go with it";
}

TEST(NotifyThread, ADeliveryFailsWithItsParts)
{
    const FakeManager manager;
    Threads threads;
    NotifyThread notify{threads};
    EXPECT_FALSE(delivered(notify, messages("FDSTORE=1", ::eventfd(0, EFD_CLOEXEC)), 100ms)) << "nobody answers";
    std::thread answering{[&manager] {
        std::vector<UniqueFd> barrier;
        for (int barriers = 0; barriers < 2;)
            if (const auto text = manager.receive(10'000, &barrier); !text)
                break;
            else if (*text == "BARRIER=1")
                ++barriers;
    }};
    std::vector<signals::Notification> too_many = messages("FDSTORE=1", ::eventfd(0, EFD_CLOEXEC));
    while (too_many.back().descriptors.size() <= descriptors_per_message)
        too_many.back().descriptors.emplace_back(::eventfd(0, EFD_CLOEXEC));
    EXPECT_FALSE(delivered(notify, std::move(too_many), 60s)) << "one cannot be sent";
    answering.join();
}

TEST(NotifyThread, ADeliveryThatWasGivenUpIsNotSentLater)
{
    const FakeManager manager;
    Threads threads;
    NotifyThread notify{threads};
    const int filled = fill_queue(notify);
    EXPECT_FALSE(delivered(notify, messages("FDSTORE=1", ::eventfd(0, EFD_CLOEXEC)), 1ms));
    notify.state("STOPPING=1");
    for (int i = 1; i <= filled; ++i)
        ASSERT_EQ(manager.receive(), "EXTEND_TIMEOUT_USEC=" + std::to_string(i));
    EXPECT_EQ(manager.receive(), "STOPPING=1");
}

TEST(NotifyThread, NothingIsDeliveredWithoutAManager)
{
    Threads threads;
    NotifyThread notify{threads};
    EXPECT_FALSE(delivered(notify, messages("FDSTORE=1", ::eventfd(0, EFD_CLOEXEC)), 60s));
}

TEST(NotifyThread, AManagerThatDoesNotReadNeitherWedgesNorBlocksTheStop)
{
    const FakeManager manager;
    Threads threads;
    NotifyThread notify{threads};
    fill_queue(notify);
    const auto heartbeat = threads.running().at(0).heartbeat;
    EXPECT_FALSE(heartbeat->wedged(Heartbeat::Clock::now() + 60s));
    notify.stop(10ms); // would hang
    EXPECT_TRUE(threads.running().empty());
}

} // namespace
} // namespace belay::daemon
