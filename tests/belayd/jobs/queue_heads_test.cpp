// A claim looks at the hooks whose queues have changed, not at all that have jobs queued.
#include "belayd/jobs/schema.hpp"
#include "belayd/jobs/store_tables.hpp"
#include "tests/belayd/jobs/store_fixture.hpp"

namespace belay::jobs {
namespace {

using namespace std::chrono_literals;

/** So many statements `work` runs on `database`. */
template <class Work>
int statements_of(sqlite::Database& database, Work work)
{
    int count = 0;
    const auto on_statement = [](unsigned, void* counter, void*, void*) { return ++*static_cast<int*>(counter), 0; };
    ::sqlite3_trace_v2(database.handle(), SQLITE_TRACE_STMT, on_statement, &count);
    work();
    ::sqlite3_trace_v2(database.handle(), 0, nullptr, nullptr);
    return count;
}

struct QueueHeadsTest : testing::Test {
    TemporaryDirectory directory;
    StoreTables tables{
        open_store_database((directory.path() / "belay.db").string(), 8_KiB, false), "boot-1", 4_KiB, std::nullopt};

    Uuid accept(const std::string& hook)
    {
        std::vector<EventRow> rows(1);
        NewEvent& content = rows.front().content;
        content.event = make_uuid_v7();
        content.job = make_uuid_v7();
        content.hook = hook;
        content.received = now();
        return tables.accept(rows).accepted.at(0).job;
    }

    /** A job that is due at `due`, as after a failed attempt. */
    Uuid delay(const std::string& hook, Time due)
    {
        (void)accept(hook);
        const ClaimedJob job = tables.claim(1, {}, now()).at(0);
        EXPECT_TRUE(tables.finish(job.job, job.attempt, {}, {JobState::queued, due, ""}, now()));
        return job.job;
    }

    Uuid claim_one() { return tables.claim(1, {}, now() + 1min).at(0).job; }
};

TEST_F(QueueHeadsTest, AClaimLooksAtWhatHasChanged)
{
    tables.begin();
    for (int hook = 0; hook < 300; ++hook)
        (void)accept("hook " + std::to_string(hook));
    (void)tables.claim(1, {}, now());
    const int statements = statements_of(tables.database(), [this] {
        (void)accept("hook 200");
        EXPECT_EQ(tables.claim(2, {}, now()).size(), 2U);
        EXPECT_LE(tables.next_due({}).value(), now());
        EXPECT_EQ(tables.oldest_ready(now()).size(), 297U);
    });
    EXPECT_LT(statements, 20);
    (void)tables.commit();
}

TEST_F(QueueHeadsTest, WhatWasRolledBackIsLookedUpAgain)
{
    tables.begin();
    const Uuid first = accept("a");
    const Uuid second = accept("b");
    (void)tables.commit();

    tables.begin();
    EXPECT_EQ(claim_one(), first);
    EXPECT_EQ(claim_one(), second);
    (void)accept("c");
    EXPECT_EQ(tables.oldest_ready(now()).size(), 1U);
    tables.rollback();

    EXPECT_EQ(tables.oldest_ready(now()).size(), 2U);
    tables.begin();
    EXPECT_EQ(claim_one(), first);
    EXPECT_EQ(claim_one(), second);
    EXPECT_EQ(tables.next_due({}), std::nullopt);
    (void)tables.commit();
}

TEST_F(QueueHeadsTest, WhatCouldNotBeLookedUpIsLookedUpAgain)
{
    tables.begin();
    (void)accept("a");
    (void)accept("b");
    (void)tables.commit();

    ::sqlite3_progress_handler(tables.database().handle(), 1, [](void*) { return 1; }, nullptr);
    EXPECT_THROW((void)tables.oldest_ready(now()), sqlite::Error);
    ::sqlite3_progress_handler(tables.database().handle(), 0, nullptr, nullptr);
    tables.begin();
    (void)tables.commit();
    EXPECT_EQ(tables.oldest_ready(now()).size(), 2U);
}

TEST_F(QueueHeadsTest, AJobThatSomebodyEndedByHandDoesNotKeepOthersFromRunning)
{
    tables.begin();
    (void)accept("a");
    const Uuid other = accept("b");
    EXPECT_EQ(tables.oldest_ready(now()).size(), 2U);
    (void)tables.commit();
    tables.database().execute("UPDATE jobs SET state = 'cancelled', finished = 1 WHERE hook = 'a'");

    tables.begin();
    EXPECT_THROW((void)claim_one(), sqlite::Error);
    tables.rollback();
    tables.begin();
    EXPECT_EQ(claim_one(), other);
    (void)tables.commit();
}

TEST_F(QueueHeadsTest, DelayedJobsOfAllHooksAreDueInTheirTime)
{
    const Time later = now() + 30s;
    tables.begin();
    const Uuid second = delay("b", later + 1s);
    const Uuid first = delay("a", later);
    EXPECT_EQ(tables.next_due({}), later);
    EXPECT_EQ(tables.next_due({{"a", 0}}), later + 1s);
    EXPECT_TRUE(tables.claim(5, {}, later - 1s).empty());
    EXPECT_EQ(tables.claim(5, {}, later).at(0).job, first);
    EXPECT_EQ(tables.next_due({}), later + 1s);
    (void)tables.cancel(second, "no longer wanted", now());
    EXPECT_EQ(tables.next_due({}), std::nullopt);
    (void)tables.commit();
}

TEST_F(QueueHeadsTest, WhatIsQueuedAnewIsAsOldAsItWas)
{
    tables.begin();
    const Uuid oldest = accept("a");
    (void)tables.cancel(oldest, "later", now());
    const Uuid other = accept("b");
    (void)accept("a");
    EXPECT_EQ(tables.retry(oldest, now()), JobState::queued);
    EXPECT_EQ(claim_one(), oldest);
    EXPECT_EQ(claim_one(), other);
    (void)tables.commit();
}

} // namespace
} // namespace belay::jobs
