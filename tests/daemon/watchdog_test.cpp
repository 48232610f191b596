#include "daemon/notify_thread.hpp"
#include "daemon/watchdog.hpp"
#include "tests/signals/fake_manager.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <optional>
#include <string>

namespace belay::daemon {
namespace {

using namespace std::chrono_literals;
using belay::testing::FakeManager;

/** A loop that beat once, at the start, and then never again until release(). */
struct SilentLoop {
    explicit SilentLoop(Threads& threads, std::string name = "http-0")
        : thread(threads.start(std::move(name), [this](Heartbeat&) { released.get_future().wait(); }))
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

    std::string pattern = std::filesystem::temp_directory_path() / "belay-watchdog-XXXXXX";
    std::filesystem::path directory = ::mkdtemp(pattern.data());
    WedgeNote note{directory / "note"};

    void TearDown() override
    {
        std::filesystem::remove_all(directory);
        notify.stop(10s);
        EXPECT_EQ(manager.receive(0), std::nullopt) << "sent more than the test expects";
    }
};

TEST_F(WatchdogTest, PingsAtOnceAndThenAtHalfTheInterval)
{
    Watchdog watchdog{watched, notify, 4s, note};
    watchdog.tick(start - 500ms); // no ping before it is asked for
    watchdog.ping_soon();
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
    Watchdog watchdog{watched, notify, std::nullopt, note};
    watchdog.ping_soon();
    for (auto now = start; now <= start + 4s; now += 500ms)
        watchdog.tick(now);
}

TEST_F(WatchdogTest, StopsPingingAndNamesTheLoopThatIsWedged)
{
    Watchdog watchdog{watched, notify, 8s, note};
    watchdog.ping_soon();
    const SilentLoop loop{watched};
    watchdog.tick(start + 1s);
    EXPECT_EQ(manager.receive(), "WATCHDOG=1");
    watchdog.tick(start + 5500ms); // suspected
    EXPECT_EQ(manager.receive(), "WATCHDOG=1");
    EXPECT_EQ(watchdog.wedged(), "");
    for (auto now = start + 6s; now < start + 8s; now += 500ms)
        watchdog.tick(now);
    EXPECT_EQ(manager.receive(), "STATUS=loop http-0 is wedged");
    EXPECT_EQ(watchdog.wedged(), "http-0");
    EXPECT_EQ(manager.receive(0), std::nullopt);
    for (auto now = start + 8500ms; now < start + 20s; now += 500ms) // the interval after its last turn
        watchdog.tick(now);
    EXPECT_EQ(manager.receive(), "WATCHDOG=trigger");
}

TEST_F(WatchdogTest, SuspectsSoonerWhereTheIntervalIsShort)
{
    EXPECT_EQ(Watchdog::wedge_limit(std::nullopt), 5s);
    EXPECT_EQ(Watchdog::wedge_limit(30s), 5s);
    EXPECT_EQ(Watchdog::wedge_limit(4s), 2s);
    EXPECT_EQ(Watchdog::wedge_limit(1s), 1s) << "a loop turns every 500 ms when idle";

    Threads hasty{Watchdog::wedge_limit(2s)};
    Watchdog watchdog{hasty, notify, 2s, note};
    watchdog.ping_soon();
    const SilentLoop loop{hasty};
    watchdog.tick(start);
    EXPECT_EQ(manager.receive(), "WATCHDOG=1");
    watchdog.tick(start + 1100ms); // suspected
    EXPECT_EQ(manager.receive(), "WATCHDOG=1");
    watchdog.tick(start + 1600ms);
    EXPECT_EQ(manager.receive(), "STATUS=loop http-0 is wedged");
    watchdog.tick(start + 2100ms);
    EXPECT_EQ(manager.receive(), "WATCHDOG=trigger");
}

TEST_F(WatchdogTest, HasLeftItsNoteBeforeTheManagerActs)
{
    Watchdog watchdog{watched, notify, 4s, note};
    watchdog.ping_soon();
    const SilentLoop loop{watched};
    watchdog.tick(start + 1s);
    EXPECT_EQ(manager.receive(), "WATCHDOG=1");
    watchdog.tick(start + 10s);
    EXPECT_EQ(manager.receive(), "WATCHDOG=1");
    watchdog.tick(start + 11s); // found so, and too old already
    EXPECT_EQ(manager.receive(), "STATUS=loop http-0 is wedged");
    EXPECT_EQ(manager.receive(0), std::nullopt);
    EXPECT_EQ(note.take().size(), 1U);
    watchdog.tick(start + 12s);
    EXPECT_EQ(manager.receive(), "WATCHDOG=trigger");
}

TEST_F(WatchdogTest, SaysWhenALoopTurnsAgain)
{
    int told = 0;
    std::optional<Watchdog> watchdog;
    watchdog.emplace(watched, notify, std::nullopt, note, [&] {
        ++told;
        EXPECT_EQ(watchdog->wedged(), "store") << "what is told now is true";
    });
    std::optional<SilentLoop> loop{watched};
    watchdog->tick(start + 6s);
    watchdog->tick(start + 7s);
    EXPECT_EQ(manager.receive(), "STATUS=loop http-0 is wedged");
    const SilentLoop other{watched, "store"};
    watchdog->tick(start + 20s);
    watchdog->tick(start + 21s);
    EXPECT_EQ(manager.receive(), "STATUS=loop store is wedged");
    EXPECT_EQ(told, 0);
    loop.reset();
    watchdog->tick(start + 22s);
    watchdog->tick(start + 23s);
    EXPECT_EQ(told, 1);
}

TEST_F(WatchdogTest, LeavesAManagerThatStopsItAlone)
{
    Watchdog watchdog{watched, notify, 8s, note};
    watchdog.ping_soon();
    const SilentLoop loop{watched};
    watchdog.tick(start + 1s);
    EXPECT_EQ(manager.receive(), "WATCHDOG=1");
    watchdog.leave_manager_alone();
    for (auto now = start + 5s; now < start + 20s; now += 500ms)
        watchdog.tick(now);
    EXPECT_EQ(manager.receive(), "STATUS=loop http-0 is wedged");
}

TEST_F(WatchdogTest, LeavesANoteWhileALoopIsWedged)
{
    Watchdog watchdog{watched, notify, std::nullopt, note};
    std::optional<SilentLoop> loop{watched};
    watchdog.tick(start + 6s);
    EXPECT_TRUE(note.take().empty());
    watchdog.tick(start + 7s);
    const auto wedges = note.take();
    ASSERT_EQ(wedges.size(), 1U);
    EXPECT_EQ(wedges[0].loop, "http-0");
    EXPECT_EQ(manager.receive(), "STATUS=loop http-0 is wedged");
    EXPECT_FALSE(wedges[0].since.empty());
    EXPECT_TRUE(note.take().empty());

    SilentLoop other{watched, "store"};
    watchdog.tick(start + 8s);
    watchdog.tick(start + 9s);
    EXPECT_EQ(note.take().size(), 2U);
    watchdog.tick(start + 10s);
    EXPECT_TRUE(note.take().empty()) << "nothing is new";
    loop.reset();
    watchdog.tick(start + 11s);
    EXPECT_EQ(note.take().size(), 1U);
    EXPECT_EQ(manager.receive(), "STATUS=loop store is wedged");
}

TEST_F(WatchdogTest, RemovesTheNoteOnceEveryLoopTurns)
{
    Watchdog watchdog{watched, notify, std::nullopt, note};
    {
        const SilentLoop loop{watched};
        watchdog.tick(start + 6s);
        watchdog.tick(start + 7s);
        EXPECT_EQ(manager.receive(), "STATUS=loop http-0 is wedged");
    }
    watchdog.tick(start + 8s);
    EXPECT_TRUE(note.take().empty());
}

TEST_F(WatchdogTest, AGarbledNoteIsNone)
{
    std::ofstream{directory / "note"} << R"([{"loop":)";
    EXPECT_TRUE(note.take().empty());
    EXPECT_FALSE(std::filesystem::exists(directory / "note"));
}

TEST_F(WatchdogTest, AnOldHeartbeatAfterSigcontIsNoWedge)
{
    Watchdog watchdog{watched, notify, 8s, note};
    watchdog.ping_soon();
    const SilentLoop loop{watched};
    watchdog.tick(start + 1s);
    EXPECT_EQ(manager.receive(), "WATCHDOG=1");
    watchdog.tick(start + 30s); // the whole process was stopped; the loops have not turned yet
    EXPECT_EQ(manager.receive(), "WATCHDOG=1");
    EXPECT_EQ(watchdog.wedged(), "");
}

} // namespace
} // namespace belay::daemon
