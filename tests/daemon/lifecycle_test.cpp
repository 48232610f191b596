#include "daemon/lifecycle.hpp"
#include "tests/signals/fake_manager.hpp"

#include <boost/asio/co_spawn.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace belay::daemon {
namespace {

using namespace std::chrono_literals;
using belay::testing::FakeManager;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/** Opened once: what waits goes on, and nothing waits any more. */
class Gate {
public:
    explicit Gate(asio::io_context& io) : timer_(io, asio::steady_timer::time_point::max()) {}
    asio::awaitable<void> wait()
    {
        error_code ec;
        if (!open_)
            co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    }
    void open()
    {
        open_ = true;
        timer_.cancel();
    }
    void shut() { open_ = false; }

private:
    asio::steady_timer timer_;
    bool open_ = true;
};

class FakeService : public Service {
public:
    explicit FakeService(asio::io_context& io) : reload_gate(io), drain_gate(io) {}

    void start() override {}
    asio::awaitable<ReloadVerdict> reload() override
    {
        ++reloads;
        co_await reload_gate.wait();
        if (reload_throws)
            throw std::runtime_error{"broken"};
        co_return ReloadVerdict{reload_ok, "reload " + std::to_string(reloads)};
    }
    asio::awaitable<void> drain(DrainContext& drain) override
    {
        context = &drain;
        drain.report("jobs", "2 jobs");
        co_await drain_gate.wait();
        drained = true;
    }
    void stop() noexcept override {}
    Readiness readiness() const override { return {}; }
    std::string status() const override { return "idle"; }

    Gate reload_gate;
    Gate drain_gate;
    DrainContext* context = nullptr;
    int reloads = 0;
    bool reload_ok = true;
    bool reload_throws = false;
    bool drained = false;
};

struct LifecycleTest : ::testing::Test {
    LifecycleTest()
    {
        asio::co_spawn(io, lifecycle.run(service), [this](std::exception_ptr error) {
            over = true;
            EXPECT_FALSE(error);
        });
    }

    template <typename Condition>
    ::testing::AssertionResult turn_until(Condition condition)
    {
        for (const auto end = Clock::now() + 30s; !condition();)
            if (Clock::now() > end)
                return ::testing::AssertionFailure() << "waited in vain";
            else
                io.run_one_for(10ms);
        return ::testing::AssertionSuccess();
    }

    /** The next message that is no STATUS. */
    std::string message()
    {
        std::optional<std::string> next;
        auto is_here = [&] { return (next = manager.receive(0)) && !next->starts_with("STATUS="); };
        return turn_until(is_here) ? *next : "nothing";
    }

    struct Waiter {
        bool done = false;
        ReloadVerdict verdict{false, ""};
    };
    void reload(Waiter& waiter) { await(lifecycle.reload(Lifecycle::Scope::everything), waiter); }
    void ask_again(Waiter& waiter) { await(lifecycle.left_verdict(), waiter); }
    void await(asio::awaitable<ReloadVerdict> task, Waiter& waiter)
    {
        waiter.done = false;
        asio::co_spawn(io, std::move(task), [&waiter](const std::exception_ptr&, ReloadVerdict verdict) {
            waiter.done = true;
            waiter.verdict = std::move(verdict);
        });
    }

    bool is(State state) const { return lifecycle.view().state == state; }

    void finish()
    {
        lifecycle.request_stop("test");
        service.reload_gate.open();
        service.drain_gate.open();
        EXPECT_TRUE(turn_until([this] { return over; }));
        lifecycle.finish();
        notify.stop(10s);
    }

    using Clock = std::chrono::steady_clock;
    FakeManager manager;
    asio::io_context io{1};
    signals::SignalQueue signals{io};
    Threads threads;
    NotifyThread notify{threads};
    FakeService service{io};
    Lifecycle lifecycle{io, signals, threads, notify, {.drain = 20s, .kill_grace = 5s, .slack = 5s, .extend = 50ms},
        WedgeNote{""}, [] {}};
    bool over = false;
};

TEST_F(LifecycleTest, IsReadyThenDrainsOnSigtermAndIsStopped)
{
    EXPECT_EQ(message(), "READY=1\nSTATUS=idle");
    EXPECT_TRUE(is(State::ready));
    ::kill(::getpid(), SIGTERM);
    EXPECT_EQ(message(), "STOPPING=1\nSTATUS=draining");
    EXPECT_TRUE(turn_until([this] { return over; }));
    EXPECT_TRUE(service.drained);
    EXPECT_TRUE(is(State::draining));
    finish();
    EXPECT_TRUE(is(State::stopped));
    EXPECT_EQ(lifecycle.exit_code(), ExitCode::clean);
}

TEST_F(LifecycleTest, AStopAskedForBeforeReadyMeansNoReady)
{
    lifecycle.request_stop("early");
    EXPECT_EQ(message(), "STOPPING=1\nSTATUS=draining");
    EXPECT_TRUE(turn_until([this] { return over; }));
    finish();
    EXPECT_EQ(manager.receive(0).value_or("STATUS=").substr(0, 7), "STATUS=");
}

TEST_F(LifecycleTest, AnswersAReloadAfterReadyIsOnTheWire)
{
    message();
    const auto before = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now().time_since_epoch());
    Waiter waiter;
    reload(waiter);
    ASSERT_TRUE(turn_until([&] { return waiter.done; }));
    EXPECT_TRUE(waiter.verdict.ok);
    EXPECT_EQ(waiter.verdict.message, "reload 1");
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
    Waiter waiter;
    reload(waiter);
    ASSERT_TRUE(turn_until([&] { return waiter.done; }));
    EXPECT_FALSE(waiter.verdict.ok);
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
    Waiter waiter;
    reload(waiter);
    ASSERT_TRUE(turn_until([&] { return waiter.done; }));
    EXPECT_FALSE(waiter.verdict.ok);
    EXPECT_EQ(waiter.verdict.message, "broken");
    finish();
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

TEST_F(LifecycleTest, WhoAskedWhileAnUpgradeWasUndoneIsToldWhatCameOfTheNextReload)
{
    message();
    UndoneUpgrade upgrade{io};
    lifecycle.set_upgrade([&](bool) { return upgrade.perform(lifecycle); });
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

TEST_F(LifecycleTest, WhoAsksWhenAnUpgradeHasBeenUndoneIsNotLeftToASuccessor)
{
    message();
    UndoneUpgrade upgrade{io};
    Waiter late;
    upgrade.late = [&] { reload(late); };
    lifecycle.set_upgrade([&](bool) { return upgrade.perform(lifecycle); });
    Waiter waiter;
    reload(waiter);
    ASSERT_TRUE(turn_until([&] { return waiter.done; }));
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

TEST_F(LifecycleTest, WhoAskedForAnUpgradeThatIsUndoneIsToldSoWhereNobodyElseAsked)
{
    message();
    UndoneUpgrade upgrade{io};
    lifecycle.set_upgrade([&](bool) { return upgrade.perform(lifecycle); });
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
    while (const auto rest = manager.receive(0))
        EXPECT_THAT(*rest, StartsWith("STATUS="));
}

TEST_F(LifecycleTest, ASecondSignalHurriesAndExitsForced)
{
    message();
    service.drain_gate.shut();
    ::kill(::getpid(), SIGTERM);
    ASSERT_TRUE(turn_until([this] { return service.context != nullptr; }));
    EXPECT_FALSE(service.context->hurried());
    ::kill(::getpid(), SIGINT);
    ASSERT_TRUE(turn_until([this] { return service.context->hurried(); }));
    finish();
    EXPECT_EQ(lifecycle.exit_code(), ExitCode::forced);
}

/** As after a fork bomb: as long as it lives, the kernel refuses threads. */
class NoThreads {
public:
    NoThreads()
    {
        EXPECT_EQ(::pthread_getattr_default_np(&before_), 0);
        pthread_attr_t unaffordable = before_;
        EXPECT_EQ(
            ::pthread_attr_setstacksize(&unaffordable, std::size_t{1} << 50U), 0); // more than there are addresses
        EXPECT_EQ(::pthread_setattr_default_np(&unaffordable), 0);
    }
    ~NoThreads() { ::pthread_setattr_default_np(&before_); }
    NoThreads(const NoThreads&) = delete;
    NoThreads& operator=(const NoThreads&) = delete;
    NoThreads(NoThreads&&) = delete;
    NoThreads& operator=(NoThreads&&) = delete;

private:
    pthread_attr_t before_{};
};

TEST_F(LifecycleTest, StopsWhereNoThreadCanBeHad)
{
    message();
    const NoThreads refused;
    EXPECT_THROW(std::thread([] {}).join(), std::system_error);
    ::kill(::getpid(), SIGTERM);
    EXPECT_EQ(message(), "STOPPING=1\nSTATUS=draining");
    EXPECT_TRUE(turn_until([this] { return over; }));
    EXPECT_TRUE(service.drained);
    finish();
    EXPECT_EQ(lifecycle.exit_code(), ExitCode::clean);
}

TEST_F(LifecycleTest, AFailureDrainsInAHurryWithItsOwnCode)
{
    message();
    service.drain_gate.shut();
    lifecycle.fail(ExitCode::internal, "fdatasync failed");
    ASSERT_TRUE(turn_until([this] { return service.context != nullptr; }));
    EXPECT_TRUE(service.context->hurried());
    finish();
    EXPECT_EQ(lifecycle.exit_code(), ExitCode::internal);
}

TEST_F(LifecycleTest, AsksForMoreTimeOnlyWhileThereIsProgress)
{
    message();
    service.drain_gate.shut();
    lifecycle.request_stop("test");
    EXPECT_THAT(message(), StartsWith("STOPPING=1"));
    EXPECT_EQ(message(), "EXTEND_TIMEOUT_USEC=150000");
    const auto quiet_until = Clock::now() + 300ms; // six intervals
    turn_until([&] { return Clock::now() > quiet_until; });
    while (const auto rest = manager.receive(0))
        EXPECT_THAT(*rest, StartsWith("STATUS="));
    service.context->report("jobs", "1 job");
    EXPECT_EQ(message(), "EXTEND_TIMEOUT_USEC=150000");
    EXPECT_EQ(lifecycle.view().drain_phase, "jobs");
    const auto repeating_until = Clock::now() + 200ms;
    turn_until([&] {
        service.context->report("jobs", "1 job"); // is none
        return Clock::now() > repeating_until;
    });
    while (const auto rest = manager.receive(0))
        EXPECT_THAT(*rest, StartsWith("STATUS="));
    finish();
}

TEST_F(LifecycleTest, TheStatusOfADrainFollowsWhatIsWaitedForAndHowLong)
{
    message();
    service.drain_gate.shut();
    lifecycle.request_stop("test");
    ASSERT_TRUE(turn_until([this] { return service.context != nullptr; }));
    std::vector<std::string> told;
    const auto is_told = [&](const std::string& status) {
        return turn_until([&] {
            if (const auto next = manager.receive(0); next && next->starts_with("STATUS="))
                told.push_back(*next);
            return !told.empty() && told.back() == "STATUS=" + status;
        });
    };
    EXPECT_TRUE(is_told("draining: jobs: 2 jobs"));
    const auto begin = Clock::now();
    for (int i = 100; i > 0; --i) {
        service.context->report("jobs", std::to_string(i));
        io.run_one_for(2ms);
    }
    EXPECT_TRUE(is_told("draining: jobs: 1"));
    EXPECT_LE(told.size(), 3U + static_cast<std::size_t>((Clock::now() - begin) / 100ms));
    EXPECT_TRUE(is_told("draining: jobs: 1, for 1 s"));
    service.context->report("doors", "the listeners");
    EXPECT_TRUE(is_told("draining: doors: the listeners"));
    finish();
}

TEST(LifecycleDeadline, ADrainThatHangsEndsWithCode75)
{
    const auto hang = [] {
        asio::io_context io{1};
        signals::SignalQueue signals{io};
        Threads threads;
        NotifyThread notify{threads};
        FakeService service{io};
        Lifecycle lifecycle{io, signals, threads, notify,
            {.drain = 10ms, .kill_grace = 10ms, .slack = 10ms, .extend = 5s}, WedgeNote{""},
            [] { std::cerr << "flushed\n"; }};
        lifecycle.request_stop("test");
        for (;;)
            std::this_thread::sleep_for(1s); // a Service::stop() that never returns
    };
    EXPECT_EXIT(hang(), ::testing::ExitedWithCode(75), "flushed");
}

TEST(DrainContext, UntilHurriedReturnsWhenHurriedAndAtOnceAfterwards)
{
    asio::io_context io{1};
    DrainContext drain{io, DrainContext::Clock::now() + 10s, 5s, {}};
    EXPECT_LE(drain.soft_deadline(), drain.deadline());
    int returned = 0;
    const auto count = [&returned](const std::exception_ptr& error) { returned += error ? 100 : 1; };
    asio::co_spawn(io, drain.until_hurried(), count);
    io.poll();
    EXPECT_EQ(returned, 0);
    drain.hurry();
    asio::co_spawn(io, drain.until_hurried(), count);
    io.restart();
    io.run();
    EXPECT_EQ(returned, 2);
}

} // namespace
} // namespace belay::daemon
