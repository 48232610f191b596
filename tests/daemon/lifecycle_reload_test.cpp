// What becomes of those who ask for a reload: while another is under way, an upgrade is undone, or the daemon stops.
#include "lifecycle_fixture.hpp"

#include <unistd.h>

#include <array>
#include <csignal>
#include <functional>

namespace belay::daemon {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST_F(LifecycleTest, AnswersAReloadAfterReadyIsOnTheWire)
{
    message();
    const auto before = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now().time_since_epoch());
    const ReloadVerdict verdict = reload();
    EXPECT_TRUE(verdict.ok);
    EXPECT_EQ(verdict.message, "reload 1");
    const std::string reloading = manager.receive(0).value_or("");
    ASSERT_THAT(reloading, AllOf(StartsWith("RELOADING=1\nMONOTONIC_USEC="), HasSubstr("\nSTATUS=reloading")));
    EXPECT_GE(std::stoll(reloading.substr(reloading.find("USEC=") + 5)), before.count());
    EXPECT_THAT(manager.receive(0).value_or(""), StartsWith("READY=1"));
    finish();
}

TEST_F(LifecycleTest, RequestsDuringAReloadCauseExactlyOneMore)
{
    message();
    service.reload_gate.shut();
    Waiter first;
    reload(first);
    ASSERT_TRUE(turn_until([this] { return service.reloads == 1; }));
    ::kill(::getpid(), SIGHUP);
    ::kill(::getpid(), SIGUSR2);
    std::array<Waiter, 3> during;
    for (auto& waiter : during)
        reload(waiter);
    for (int i = 0; i < 5; ++i) // the signals too are in
        io.run_one_for(10ms);
    service.reload_gate.open();
    ASSERT_TRUE(turn_until([&] { return during[0].done && during[1].done && during[2].done; }));
    EXPECT_EQ(service.reloads, 2);
    EXPECT_EQ(first.verdict.message, "reload 1");
    for (const auto& waiter : during)
        EXPECT_EQ(waiter.verdict.message, "reload 2");
    for (const char* expected : {"RELOADING=1", "READY=1", "RELOADING=1", "READY=1"})
        EXPECT_THAT(message(), StartsWith(expected));
    finish();
    EXPECT_EQ(service.reloads, 2);
}

TEST_F(LifecycleTest, AFailedReloadIsFollowedByReadyAndRemembered)
{
    message();
    service.reload_ok = false;
    const ReloadVerdict verdict = reload();
    EXPECT_FALSE(verdict.ok);
    EXPECT_FALSE(lifecycle.view().last_reload_ok);
    EXPECT_EQ(lifecycle.view().reloads_failed, 1U);
    EXPECT_THAT(message(), StartsWith("RELOADING=1"));
    EXPECT_EQ(message(), "READY=1\nSTATUS=the last reload failed, see the log; idle");
    EXPECT_TRUE(is(State::ready));
    finish();
}

TEST_F(LifecycleTest, AReloadThatThrowsIsAFailedOne)
{
    message();
    service.reload_throws = true;
    const ReloadVerdict verdict = reload();
    EXPECT_FALSE(verdict.ok);
    EXPECT_EQ(verdict.message, "broken");
    finish();
}

TEST_F(LifecycleTest, AStopDuringAReloadIsToldAtOnceAndNoReadyFollows)
{
    message();
    service.reload_gate.shut();
    Waiter running;
    reload(running);
    EXPECT_THAT(message(), StartsWith("RELOADING=1"));
    Waiter waiting;
    reload(waiting);
    ::kill(::getpid(), SIGTERM);
    EXPECT_EQ(message(), "STOPPING=1\nSTATUS=draining");
    EXPECT_TRUE(is(State::draining));
    EXPECT_EQ(service.context, nullptr) << "one call at a time";
    Waiter late;
    reload(late);
    service.reload_gate.open();
    ASSERT_TRUE(turn_until([&] { return over && running.done && waiting.done && late.done; }));
    EXPECT_TRUE(running.verdict.ok);
    for (const auto& waiter : {waiting, late}) {
        EXPECT_FALSE(waiter.verdict.ok);
        EXPECT_EQ(waiter.verdict.message, "the daemon is stopping");
    }
    finish();
    expect_no_message();
}

/** An upgrade that leaves who waits, stands still until the gate opens, and is undone as often as it is told. */
struct UndoneUpgrade {
    explicit UndoneUpgrade(asio::io_context& io) : gate(io) {}
    asio::awaitable<std::optional<std::string>> perform(Lifecycle& lifecycle)
    {
        ++tries;
        lifecycle.leave_waiters();
        gate.shut();
        co_await gate.wait();
        lifecycle.keep_waiters();
        if (late) {
            gate.shut();
            std::exchange(late, nullptr)();
            co_await gate.wait();
        }
        co_return tries <= undone ? std::optional<std::string>{"not upgraded"} : std::nullopt;
    }

    Gate gate;
    std::function<void()> late; // asks when it has been undone, and before that is known
    int tries = 0;
    int undone = 1;
};

struct UndoneUpgradeTest : LifecycleTest {
    UndoneUpgradeTest()
    {
        lifecycle.set_upgrade([this](bool) { return upgrade.perform(lifecycle); });
        message(); // it is ready
    }

    UndoneUpgrade upgrade{io};
};

TEST_F(UndoneUpgradeTest, WhoAskedWhileAnUpgradeWasUndoneIsToldWhatCameOfTheNextReload)
{
    std::array<Waiter, 2> waiters;
    reload(waiters[0]);
    ASSERT_TRUE(turn_until([&] { return waiters[0].done; }));
    reload(waiters[1]);
    ASSERT_TRUE(turn_until([&] { return waiters[1].done; }));
    for (Waiter& waiter : waiters) {
        EXPECT_TRUE(waiter.verdict.left_to_successor);
        ask_again(waiter);
    }
    upgrade.gate.open();
    ASSERT_TRUE(turn_until([&] { return waiters[0].done && waiters[1].done; }))
        << "else they are in the way of a freeze";
    for (Waiter& waiter : waiters) {
        EXPECT_TRUE(waiter.verdict.left_to_successor);
        ask_again(waiter);
    }
    upgrade.gate.open();
    ASSERT_TRUE(turn_until([&] { return waiters[0].done && waiters[1].done; }));
    for (const Waiter& waiter : waiters)
        EXPECT_EQ(waiter.verdict.message, "reload 1");
    EXPECT_EQ(upgrade.tries, 2);
    finish();
}

TEST_F(UndoneUpgradeTest, WhoAsksWhenAnUpgradeHasBeenUndoneIsNotLeftToASuccessor)
{
    Waiter late;
    upgrade.late = [&] { reload(late); };
    EXPECT_TRUE(reload().left_to_successor);
    upgrade.gate.open();
    ASSERT_TRUE(turn_until([&] { return !upgrade.late; }));
    io.poll();
    EXPECT_FALSE(late.done) << "it waits for a reload of its own";
    upgrade.gate.open();
    ASSERT_TRUE(turn_until([&] { return late.done; }));
    EXPECT_TRUE(late.verdict.left_to_successor) << "now there may be one";
    ask_again(late);
    upgrade.gate.open();
    ASSERT_TRUE(turn_until([&] { return late.done; }));
    EXPECT_EQ(late.verdict.message, "reload 1");
    finish();
}

TEST_F(UndoneUpgradeTest, WhoAskedForAnUpgradeThatIsUndoneIsToldSoWhereNobodyElseAsked)
{
    Waiter waiter;
    reload(waiter);
    ASSERT_TRUE(turn_until([&] { return waiter.done; }));
    ask_again(waiter);
    ::kill(::getpid(), SIGHUP); // nobody waits for it
    for (int i = 0; i < 5; ++i)
        io.run_one_for(10ms);
    upgrade.gate.open();
    ASSERT_TRUE(turn_until([&] { return waiter.done && service.reloads == 1; }));
    EXPECT_EQ(waiter.verdict.message, "not upgraded");
    EXPECT_EQ(upgrade.tries, 1);
    finish();
}

} // namespace
} // namespace belay::daemon
