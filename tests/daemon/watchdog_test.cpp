#include "daemon/notify_thread.hpp"
#include "daemon/watchdog.hpp"
#include "tests/signals/fake_manager.hpp"

#include <gtest/gtest.h>

#include <future>

namespace belay::daemon {
namespace {

using namespace std::chrono_literals;
using belay::testing::FakeManager;

/** A loop that beat once, at the start, and then never again until release(). */
struct SilentLoop {
    explicit SilentLoop(Threads& threads)
        : thread(threads.start("http-0", [this](Heartbeat&) { released.get_future().wait(); }))
    {
    }
    ~SilentLoop() { released.set_value(); }

    std::promise<void> released;
    Thread thread;
};

struct WatchdogTest : ::testing::Test {
    FakeManager manager;
    Threads threads;
    NotifyThread notify{threads};
    Threads watched; // apart, since its time is the test's: the thread "notify" beats in real time
    Watchdog::Clock::time_point start = Watchdog::Clock::now();

    void TearDown() override
    {
        notify.stop(10s);
        EXPECT_EQ(manager.receive(0), std::nullopt) << "sent more than the test expects";
    }
};

TEST_F(WatchdogTest, PingsAtOnceAndThenAtHalfTheInterval)
{
    Watchdog watchdog{watched, notify, 4s};
    EXPECT_EQ(watchdog.period(), Heartbeat::interval);
    int pings = 0;
    for (auto now = start; now <= start + 4s; now += 500ms) {
        watchdog.tick(now);
        while (manager.receive(pings == 0 ? 10'000 : 50) == "WATCHDOG=1")
            ++pings;
    }
    EXPECT_EQ(pings, 3); // at 0 s, 2 s and 4 s
}

TEST_F(WatchdogTest, SendsNothingUnlessTheManagerWatches)
{
    Watchdog watchdog{watched, notify, std::nullopt};
    for (auto now = start; now <= start + 4s; now += 500ms)
        watchdog.tick(now);
}

TEST_F(WatchdogTest, StopsPingingAndNamesTheLoopThatIsWedged)
{
    Watchdog watchdog{watched, notify, 1s};
    const SilentLoop loop{watched};
    watchdog.tick(start + 1s);
    EXPECT_EQ(manager.receive(), "WATCHDOG=1");
    watchdog.tick(start + 6s); // suspected
    EXPECT_EQ(manager.receive(), "WATCHDOG=1");
    EXPECT_EQ(watchdog.wedged(), "");
    for (auto now = start + 7s; now < start + 20s; now += 500ms)
        watchdog.tick(now);
    EXPECT_EQ(manager.receive(), "STATUS=loop http-0 is wedged");
    EXPECT_EQ(watchdog.wedged(), "http-0");
}

TEST_F(WatchdogTest, AnOldHeartbeatAfterSigcontIsNoWedge)
{
    Watchdog watchdog{watched, notify, 1s};
    const SilentLoop loop{watched};
    watchdog.tick(start + 1s);
    EXPECT_EQ(manager.receive(), "WATCHDOG=1");
    watchdog.tick(start + 30s); // the whole process was stopped; the loops have not turned yet
    EXPECT_EQ(manager.receive(), "WATCHDOG=1");
    EXPECT_EQ(watchdog.wedged(), "");
}

} // namespace
} // namespace belay::daemon
