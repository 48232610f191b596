#pragma once
#include "daemon/lifecycle.hpp"
#include "tests/signals/fake_manager.hpp"

#include <boost/asio/co_spawn.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace belay::daemon {

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

/** Its reload and its drain stand still where their gate is shut. */
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

/** A lifecycle on the test's own thread, under a manager that takes what it is told; finish() ends it. */
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
        for (const auto end = Clock::now() + std::chrono::seconds{30}; !condition();)
            if (Clock::now() > end)
                return ::testing::AssertionFailure() << "waited in vain";
            else
                io.run_one_for(std::chrono::milliseconds{10});
        return ::testing::AssertionSuccess();
    }

    /** The next message that is no STATUS. */
    std::string message()
    {
        std::optional<std::string> next;
        auto is_here = [&] { return (next = manager.receive(0)) && !next->starts_with("STATUS="); };
        return turn_until(is_here) ? *next : "nothing";
    }

    /** There is no message left that is no STATUS. */
    void expect_no_message()
    {
        while (const auto rest = manager.receive(0))
            EXPECT_THAT(*rest, ::testing::StartsWith("STATUS="));
    }

    struct Waiter {
        bool done = false;
        ReloadVerdict verdict{false, ""};
    };
    void reload(Waiter& waiter) { await(lifecycle.reload(Lifecycle::Scope::everything), waiter); }
    void ask_again(Waiter& waiter) { await(lifecycle.left_verdict(), waiter); }

    /** What a reload comes to that is asked for now. */
    ReloadVerdict reload()
    {
        Waiter waiter;
        reload(waiter);
        if (!turn_until([&] { return waiter.done; }))
            throw std::runtime_error{"a reload does not end"};
        return waiter.verdict;
    }

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
        notify.stop(std::chrono::seconds{10});
    }

    using Clock = std::chrono::steady_clock;
    belay::testing::FakeManager manager;
    asio::io_context io{1};
    signals::SignalQueue signals{io};
    Threads threads;
    NotifyThread notify{threads};
    FakeService service{io};
    Lifecycle lifecycle{io, signals, threads, notify,
        {.drain = std::chrono::seconds{20},
            .kill_grace = std::chrono::seconds{5},
            .slack = std::chrono::seconds{5},
            .extend = std::chrono::milliseconds{50}},
        WedgeNote{""}, [] {}};
    bool over = false;
};

} // namespace belay::daemon
