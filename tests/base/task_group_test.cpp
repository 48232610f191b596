#include "base/task_group.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <gtest/gtest.h>

#include <stdexcept>

namespace belay {
namespace {

asio::awaitable<void> count_up(int& count)
{
    ++count;
    co_return;
}

asio::awaitable<void> wait_for_ever()
{
    asio::steady_timer timer{co_await asio::this_coro::executor, asio::steady_timer::time_point::max()};
    co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<void> fail()
{
    throw std::runtime_error{"broken"};
    co_return;
}

asio::awaitable<void> wait_then_mark(TaskGroup& group, bool& emptied)
{
    co_await group.wait_until_empty();
    emptied = true;
}

struct TaskGroupTest : testing::Test {
    asio::io_context io{1};
    std::vector<std::string> failed;
    TaskGroup group{
        io.get_executor(), [this](std::string_view task, const std::exception_ptr&) { failed.emplace_back(task); }};
};

TEST_F(TaskGroupTest, RunsTasksToTheirEnd)
{
    int count = 0;
    for (int i = 0; i < 10; ++i)
        group.spawn("count", count_up(count));
    EXPECT_EQ(group.size(), 10U);
    io.run();
    EXPECT_EQ(count, 10);
    EXPECT_EQ(group.size(), 0U);
}

TEST_F(TaskGroupTest, CancelsEveryTaskAndReportsNoneOfThem)
{
    for (int i = 0; i < 100; ++i)
        group.spawn("wait", wait_for_ever());
    bool emptied = false;
    asio::co_spawn(io, wait_then_mark(group, emptied), asio::detached);
    io.poll();
    EXPECT_EQ(group.size(), 100U);
    EXPECT_FALSE(emptied);
    group.request_stop();
    io.restart();
    io.run();
    EXPECT_TRUE(emptied);
    EXPECT_TRUE(failed.empty());
}

TEST_F(TaskGroupTest, CancelsTasksSpawnedAfterStop)
{
    group.request_stop();
    group.spawn("late", wait_for_ever());
    io.run(); // would never return
    EXPECT_EQ(group.size(), 0U);
}

TEST_F(TaskGroupTest, ReportsWhatEscapesATask)
{
    group.spawn("fails", fail());
    io.run();
    EXPECT_EQ(failed, std::vector<std::string>{"fails"});
}

} // namespace
} // namespace belay
