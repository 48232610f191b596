// From ready to stopped: what the manager is told of a drain, how long that may take, and the code it ends with.
#include "lifecycle_fixture.hpp"

#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <iostream>
#include <system_error>
#include <thread>
#include <vector>

namespace belay::daemon {
namespace {

using namespace std::chrono_literals;
using ::testing::StartsWith;

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
    expect_no_message();
    service.context->report("jobs", "1 job");
    EXPECT_EQ(message(), "EXTEND_TIMEOUT_USEC=150000");
    EXPECT_EQ(lifecycle.view().drain_phase, "jobs");
    const auto repeating_until = Clock::now() + 200ms;
    turn_until([&] {
        service.context->report("jobs", "1 job"); // is none
        return Clock::now() > repeating_until;
    });
    expect_no_message();
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
