#include "signals/handled_signals.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <gtest/gtest.h>

#include <unistd.h>

#include <vector>

namespace belay::signals {
namespace {

asio::awaitable<void> collect(SignalQueue& queue, std::vector<int>& received, std::size_t count)
{
    while (received.size() < count)
        received.push_back(co_await queue.next());
}

/** Leaves mask and dispositions of the test process as they were. */
struct HandledSignals : ::testing::Test {
    HandledSignals() { ::pthread_sigmask(SIG_SETMASK, nullptr, &before); }
    ~HandledSignals() override
    {
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
        std::signal(SIGPIPE, SIG_DFL);
        std::signal(SIGXFSZ, SIG_DFL);
    }
    sigset_t before{};
};

TEST_F(HandledSignals, ASignalSentBeforeTheHandlersStandIsDelivered)
{
    block_handled_signals();
    ::kill(::getpid(), SIGTERM); // would end the test
    asio::io_context io{1};
    SignalQueue queue{io};
    unblock_handled_signals();
    std::vector<int> received;
    asio::co_spawn(io, collect(queue, received, 1), asio::detached);
    io.run();
    EXPECT_EQ(received, std::vector{SIGTERM});
}

TEST_F(HandledSignals, EachHandledSignalIsKeptBetweenTwoWaits)
{
    asio::io_context io{1};
    SignalQueue queue{io};
    for (const int signal : handled_signals)
        ::kill(::getpid(), signal);
    std::vector<int> received;
    asio::co_spawn(io, collect(queue, received, handled_signals.size()), asio::detached);
    io.run();
    std::sort(received.begin(), received.end());
    std::vector<int> expected{handled_signals.begin(), handled_signals.end()};
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(received, expected);
}

TEST_F(HandledSignals, BlockingThemAlsoIgnoresWhatAPeerOrALimitCouldSend)
{
    block_handled_signals();
    ::kill(::getpid(), SIGPIPE);
    ::kill(::getpid(), SIGXFSZ);
}

} // namespace
} // namespace belay::signals
