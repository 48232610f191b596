#include "belayd/jobs/job_waits.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <thread>

namespace belay::jobs {
namespace {

using namespace std::chrono_literals;
using Clock = JobWaits::Clock;

constexpr auto never = Clock::time_point::max();

struct JobWaitsTest : testing::Test {
    /** Waits once, and says what came of it. */
    asio::awaitable<void> wait(JobWaits::Place place, Clock::time_point deadline, std::optional<bool>& result)
    {
        JobWaits::Place mine = std::move(place);
        result = co_await mine.changed(deadline);
    }

    std::optional<JobWaits::Place> enter(JobWaits& waits, std::vector<Uuid> jobs)
    {
        return waits.enter(std::move(jobs), io.get_executor());
    }

    /** Enters, and waits on the loop as far as it goes without anybody's doing. */
    void begin(JobWaits& waits, std::vector<Uuid> jobs, std::optional<bool>& result, Clock::time_point deadline = never)
    {
        auto place = enter(waits, std::move(jobs));
        ASSERT_TRUE(place);
        asio::co_spawn(io, wait(std::move(*place), deadline, result), asio::detached);
        io.poll();
    }

    asio::io_context io{1};
    Uuid a = make_uuid_v7();
    Uuid b = make_uuid_v7();
};

TEST_F(JobWaitsTest, WakesWhoWaitsForThatJob)
{
    JobWaits waits;
    std::optional<bool> of_a, of_b, of_both;
    begin(waits, {a}, of_a);
    begin(waits, {b}, of_b);
    begin(waits, {a, b}, of_both);
    EXPECT_EQ(waits.size(), 3U);
    waits.ended({make_uuid_v7(), a});
    io.poll();
    EXPECT_EQ(of_a, true);
    EXPECT_EQ(of_both, true);
    EXPECT_EQ(of_b, std::nullopt);
    EXPECT_EQ(waits.size(), 1U);
    waits.ended({b});
    io.poll();
    EXPECT_EQ(of_b, true);
    EXPECT_EQ(waits.size(), 0U);
    waits.ended({a, b}); // nobody is there any more
    io.poll();
}

TEST_F(JobWaitsTest, ForgetsNoEndBetweenEnteringAndWaiting)
{
    JobWaits waits;
    auto place = enter(waits, {a});
    waits.ended({a});
    io.poll();
    io.restart();
    std::optional<bool> result;
    asio::co_spawn(io, wait(std::move(*place), never, result), asio::detached);
    io.poll();
    EXPECT_EQ(result, true);
}

TEST_F(JobWaitsTest, GivesUpAtTheDeadlineOrWhenTold)
{
    JobWaits waits;
    std::optional<bool> late, left, released;
    begin(waits, {a}, late, Clock::now());
    EXPECT_EQ(late, false);
    auto place = enter(waits, {a});
    const auto give_up = place->give_up();
    io.restart();
    asio::co_spawn(io, wait(std::move(*place), never, left), asio::detached);
    io.poll();
    EXPECT_EQ(left, std::nullopt);
    give_up();
    io.poll();
    EXPECT_EQ(left, false);
    give_up(); // it is gone
    io.restart();
    begin(waits, {a}, released);
    waits.release();
    io.poll();
    EXPECT_EQ(released, false);
    EXPECT_FALSE(enter(waits, {a}));
    waits.open();
    EXPECT_TRUE(enter(waits, {a}));
    EXPECT_EQ(waits.size(), 0U);
}

TEST_F(JobWaitsTest, ForgetsNoEndForARelease)
{
    JobWaits waits;
    auto place = enter(waits, {a});
    waits.ended({a});
    waits.release();
    io.poll();
    io.restart();
    std::optional<bool> result;
    asio::co_spawn(io, wait(std::move(*place), never, result), asio::detached);
    io.poll();
    EXPECT_EQ(result, true);
}

TEST_F(JobWaitsTest, HasSoManyPlacesAndNoMore)
{
    JobWaits waits{2};
    std::optional first = enter(waits, {a});
    const std::optional second = enter(waits, {a, b});
    EXPECT_TRUE(first && second);
    EXPECT_FALSE(enter(waits, {b}));
    first.reset();
    EXPECT_TRUE(enter(waits, {b}));
}

TEST_F(JobWaitsTest, IsToldByAnotherThread)
{
    JobWaits waits;
    std::optional<bool> result;
    begin(waits, {a}, result);
    std::thread store{[&] { waits.ended({a}); }};
    io.run();
    store.join();
    EXPECT_EQ(result, true);
}

} // namespace
} // namespace belay::jobs
