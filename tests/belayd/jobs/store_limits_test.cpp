// What a store takes at a time, and how long it lets its callers wait.
#include "belayd/jobs/store.hpp"
#include "tests/belayd/jobs/store_fixture.hpp"

namespace belay::jobs {
namespace {

using namespace std::chrono_literals;

struct StoreLimitsTest : StoreFixture {
    static NewEvent large_event(Bytes size)
    {
        NewEvent made = event("a");
        made.body.assign(size, 'x');
        return made;
    }
};

TEST_F(StoreLimitsTest, AcceptsABodyThatIsLargerThanItsQueueWhenNothingWaits)
{
    accept(large_event(65_MiB));
    EXPECT_EQ(claim().at(0).body.size(), 65_MiB);
}

TEST_F(StoreLimitsTest, RefusesWhatIsMoreThanItsQueueTakes)
{
    asio::io_context& io = caller_loop();
    std::vector<std::future<Accepted>> answers;
    for (int i = 0; i < 3; ++i)
        answers.push_back(asio::co_spawn(io, store->accept(large_event(65_MiB)), asio::use_future));
    io.run();
    unsigned refused = 0;
    for (auto& answer : answers) {
        try {
            (void)answer.get();
        } catch (const StoreUnavailable& e) {
            EXPECT_STREQ(e.what(), "events arrive faster than the disk takes them");
            ++refused;
        }
    }
    EXPECT_GE(refused, 1U);
    EXPECT_EQ(count(JobState::queued), 3U - refused);
}

TEST_F(StoreLimitsTest, ClaimsFewAtATimeIfTheirBodiesAreLarge)
{
    accept(large_event(65_MiB));
    accept(large_event(1));
    accept(large_event(1));
    EXPECT_EQ(claim(10).size(), 1U) << "one at least";
    EXPECT_EQ(claim(10).size(), 2U) << "and then the rest";
}

TEST_F(StoreLimitsTest, WaitsOnceForADatabaseThatIsLockedHoweverManyAsk)
{
    std::optional<Locked> other{options.path};
    asio::io_context& io = caller_loop();
    std::vector<std::future<Accepted>> answers;
    for (int i = 0; i < 10; ++i)
        answers.push_back(asio::co_spawn(io, store->accept(event("a")), asio::use_future));
    const auto begin = std::chrono::steady_clock::now();
    io.run();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s) << "5 s for each batch, of which there may be two";
    for (auto& answer : answers) {
        try {
            (void)answer.get();
            ADD_FAILURE() << "accepted";
        } catch (const StoreUnavailable& e) {
            EXPECT_STREQ(e.what(), "the database is locked by another process");
        }
    }
    other.reset();
    accept(event("a"));
    EXPECT_EQ(count(JobState::queued), 1U);
    EXPECT_TRUE(failures.empty()) << "others' locks are not its failure";
}

} // namespace
} // namespace belay::jobs
