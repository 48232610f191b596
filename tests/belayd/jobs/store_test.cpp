// The conformance of a store: what every transition of the queue must do, whatever keeps it.
#include "belayd/jobs/store.hpp"
#include "tests/belayd/jobs/store_fixture.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace belay::jobs {
namespace {

using namespace std::chrono_literals;

constexpr auto no_deadline = std::chrono::steady_clock::time_point::max();

struct StoreTest : StoreFixture {};

std::vector<Uuid> ids(const std::vector<ClaimedJob>& jobs)
{
    std::vector<Uuid> result;
    for (const auto& job : jobs)
        result.push_back(job.job);
    return result;
}

TEST_F(StoreTest, GivesAClaimedJobWhatItsEventBrought)
{
    NewEvent made = event("deploy", "delivery-1");
    made.body = std::string{"\0\xff{}", 4};
    made.content_type = "application/json";
    made.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    made.arguments = {"/bin/echo", "", "a b", "5:x,"};
    made.environment = {{"BRANCH", "main"}, {"EMPTY", ""}};
    made.files = {{"PAYLOAD", std::nullopt}, {"TEXT", std::string{"\0\xff 4:body,", 10}}, {"EMPTY_FILE", ""}};
    const auto before = now();
    const auto accepted = accept(made);
    EXPECT_EQ(accepted.state, JobState::queued);
    EXPECT_FALSE(accepted.duplicate);
    EXPECT_NE(accepted.event, accepted.job);

    const auto jobs = claim(10);
    ASSERT_EQ(jobs.size(), 1U);
    const auto& job = jobs.front();
    EXPECT_EQ(job.job, accepted.job);
    EXPECT_EQ(job.event, accepted.event);
    EXPECT_EQ(job.hook, "deploy");
    EXPECT_EQ(job.attempt, 1U);
    EXPECT_EQ(job.counted, 0U);
    EXPECT_GE(job.enqueued, before);
    EXPECT_LE(job.enqueued, now());
    EXPECT_EQ(job.body, made.body);
    EXPECT_EQ(job.content_type, made.content_type);
    EXPECT_EQ(job.traceparent, made.traceparent);
    EXPECT_EQ(job.arguments, made.arguments);
    EXPECT_EQ(job.environment, made.environment);
    EXPECT_EQ(job.files, made.files);
}

TEST_F(StoreTest, ClaimsAJobOnce)
{
    accept(event("a"));
    EXPECT_EQ(claim(10).size(), 1U);
    EXPECT_TRUE(claim(10).empty());
    EXPECT_EQ(count(JobState::queued), 0U);
    EXPECT_EQ(count(JobState::running), 1U);
}

TEST_F(StoreTest, ClaimsTheLongestEnqueuedFirstAcrossHooks)
{
    std::vector<Uuid> enqueued;
    for (const char* hook : {"b", "a", "c", "a", "b", "b"})
        enqueued.push_back(accept(event(hook)).job);
    EXPECT_EQ(ids(claim(4)), std::vector(enqueued.begin(), enqueued.begin() + 4));
    EXPECT_EQ(ids(claim(4)), std::vector(enqueued.begin() + 4, enqueued.end()));
}

TEST_F(StoreTest, ClaimsNoMoreThanAHooksRoom)
{
    std::vector<Uuid> full;
    std::vector<Uuid> narrow;
    std::vector<Uuid> wide;
    for (int i = 0; i < 3; ++i) {
        full.push_back(accept(event("full")).job);
        narrow.push_back(accept(event("narrow")).job);
        wide.push_back(accept(event("wide")).job);
    }
    const auto claimed = ids(claim(10, {{"full", 0}, {"narrow", 2}}));
    EXPECT_EQ(claimed, (std::vector{narrow[0], wide[0], narrow[1], wide[1], wide[2]}));
}

TEST_F(StoreTest, RecordsHowAnAttemptEnded)
{
    accept(event("a"));
    const auto job = claim().at(0);
    AttemptResult result;
    result.outcome = Outcome::exited;
    result.exit_status = 3;
    result.detail = "said no";
    result.started = Time{1s};
    result.finished = Time{2s};
    result.out = {"out", 5};
    result.err = {"error", 7};
    EXPECT_TRUE(await(store->finish(job.job, 1, result, {JobState::failed, {}, "attempts used up"})));
    EXPECT_EQ(count(JobState::running), 0U);
    EXPECT_EQ(count(JobState::failed), 1U);
    EXPECT_EQ(query("SELECT state || ',' || reason || ',' || attempts || ',' || counted FROM jobs"),
        "failed,attempts used up,1,1");
    EXPECT_EQ(query("SELECT outcome||','||exit_status||','||signal||','||detail||','||started||','||finished||','||"
                    "stdout_bytes||','||stdout_dropped||','||stderr_bytes||','||stderr_dropped FROM attempts"),
        "exited,3,0,said no,1000000,2000000,3,5,5,7");
    EXPECT_EQ(query("SELECT stdout || ',' || stderr FROM outputs"), "out,error");
    EXPECT_EQ(query("SELECT boot_id FROM attempts"), "boot-1");
}

TEST_F(StoreTest, FinishesOnlyTheAttemptThatRuns)
{
    accept(event("a"));
    const auto first = claim().at(0);
    EXPECT_TRUE(finish(first, Outcome::exited, {JobState::queued, now(), ""}));
    EXPECT_FALSE(succeed(first)) << "it is queued";
    const auto second = claim().at(0);
    EXPECT_EQ(second.attempt, 2U);
    EXPECT_FALSE(succeed(first)) << "attempt 2 runs";
    EXPECT_EQ(count(JobState::running), 1U);
    EXPECT_TRUE(succeed(second));
    EXPECT_FALSE(succeed(second)) << "it is over";
    EXPECT_FALSE(await(store->finish(make_uuid_v7(), 1, {}, {}))) << "there is no such job";
    EXPECT_EQ(count(JobState::succeeded), 1U);
}

TEST_F(StoreTest, CountsWhatTheCommandDidAndNotWhatBelayDid)
{
    accept(event("a"));
    for (const auto& [outcome, counted] :
        std::initializer_list<std::pair<Outcome, unsigned>>{{Outcome::exited, 0U}, {Outcome::interrupted, 1U},
            {Outcome::signalled, 1U}, {Outcome::timed_out, 2U}, {Outcome::oom, 3U}, {Outcome::succeeded, 4U}}) {
        const auto job = claim().at(0);
        EXPECT_EQ(job.counted, counted) << to_string(outcome);
        EXPECT_TRUE(finish(job, outcome, {JobState::queued, now(), ""}));
    }
    EXPECT_EQ(claim().at(0).counted, 5U);
}

TEST_F(StoreTest, DoesNotClaimARetryBeforeItIsDue)
{
    accept(event("a"));
    const auto later = now() + 1h;
    EXPECT_EQ(await(store->next_due({{"a", 0}})), std::nullopt);
    EXPECT_LE(await(store->next_due({})).value(), now());
    EXPECT_TRUE(finish(claim().at(0), Outcome::exited, {JobState::queued, later, ""}));
    EXPECT_EQ(count(JobState::queued), 1U);
    EXPECT_TRUE(claim().empty());
    EXPECT_EQ(await(store->next_due({})), later);
    EXPECT_EQ(await(store->next_due({{"a", 0}})), std::nullopt);
    EXPECT_EQ(await(store->next_due({{"a", 1}})), later);
}

TEST_F(StoreTest, ClaimsARetryInItsOldPlaceOnceItIsDue)
{
    const auto first = accept(event("a")).job;
    const auto due = now() + 50ms;
    EXPECT_TRUE(finish(claim().at(0), Outcome::exited, {JobState::queued, due, ""}));
    const auto second = accept(event("a")).job;
    while (now() < due)
        std::this_thread::yield();
    EXPECT_EQ(ids(claim(2)), (std::vector{first, second}));
}

TEST_F(StoreTest, CancelsAQueuedJobOnly)
{
    const auto accepted = accept(event("a"));
    EXPECT_EQ(await(store->cancel(accepted.job, "by hand")), JobState::cancelled);
    EXPECT_EQ(query("SELECT reason FROM jobs"), "by hand");
    EXPECT_TRUE(claim().empty());
    EXPECT_EQ(await(store->next_due({})), std::nullopt);
    EXPECT_EQ(await(store->cancel(accepted.job, "again")), JobState::cancelled);
    EXPECT_EQ(query("SELECT reason FROM jobs"), "by hand");

    const auto running = accept(event("a")).job;
    claim();
    EXPECT_EQ(await(store->cancel(running, "")), JobState::running);
    EXPECT_EQ(await(store->cancel(make_uuid_v7(), "")), std::nullopt);
    EXPECT_EQ(count(JobState::cancelled), 1U);
}

TEST_F(StoreTest, RetriesWhatFailedOrWasCancelledWithACountFromZero)
{
    const auto accepted = accept(event("a"));
    EXPECT_EQ(await(store->retry(accepted.job)), JobState::queued);
    const auto first = claim().at(0);
    EXPECT_EQ(await(store->retry(accepted.job)), JobState::running);
    EXPECT_TRUE(fail(first));
    EXPECT_EQ(await(store->retry(accepted.job)), JobState::queued);
    const auto second = claim().at(0);
    EXPECT_EQ(second.attempt, 2U);
    EXPECT_EQ(second.counted, 0U);
    EXPECT_TRUE(succeed(second));
    EXPECT_EQ(await(store->retry(accepted.job)), JobState::succeeded);
    EXPECT_EQ(await(store->retry(make_uuid_v7())), std::nullopt);
}

TEST_F(StoreTest, BoundsTheQueueOfAHookExactly)
{
    const auto bounded = [](const char* hook, const char* id, std::uint64_t max) {
        NewEvent made = event(hook, id);
        made.max_queued = max;
        return made;
    };
    const auto first = accept(bounded("a", "d1", 2)).job;
    accept(bounded("a", "d2", 2));
    EXPECT_THROW(accept(bounded("a", "d3", 2)), QueueFull);
    EXPECT_EQ(query("SELECT count(*) FROM events"), "2") << "nothing was stored";
    EXPECT_TRUE(accept(bounded("a", "d1", 2)).duplicate) << "what is known adds nothing";
    accept(bounded("b", "d1", 2));
    accept(event("a", "d4")); // each hook has its own bound, or none

    const auto job = claim().at(0);
    EXPECT_EQ(job.job, first);
    EXPECT_TRUE(accept(bounded("a", "d1", 2)).duplicate) << "it is running";
    EXPECT_TRUE(fail(job));
    EXPECT_THROW(accept(bounded("a", "d1", 2)), QueueFull) << "it would be queued again";
    EXPECT_FALSE(accept(bounded("a", "d1", 3)).duplicate);

    std::vector<NewEvent> at_once;
    for (int i = 0; i < 10; ++i)
        at_once.push_back(bounded("c", std::to_string(i).c_str(), 4));
    accept_all(std::move(at_once));
    EXPECT_EQ(query("SELECT count(*) FROM jobs WHERE hook = 'c'"), "4") << "in one transaction";
}

TEST_F(StoreTest, StoresEventsThatComeTogetherOrNone)
{
    const auto accept_two = [this](std::uint64_t max_queued) {
        std::vector<NewEvent> events{event("a", "d"), event("b", "d")};
        events.back().max_queued = max_queued;
        return await(store->accept(std::move(events)));
    };
    const auto first = accept_two(0);
    ASSERT_EQ(first.size(), 2U);
    EXPECT_FALSE(first[0].duplicate || first[1].duplicate);
    EXPECT_EQ(ids(claim(2)), (std::vector{first[0].job, first[1].job}));
    const auto again = accept_two(0);
    EXPECT_TRUE(again[0].duplicate && again[1].duplicate);
    EXPECT_EQ(again[1].event, first[1].event);

    accept(event("b"));
    execute("DELETE FROM events WHERE delivery_id = 'd'"); // so that they are new
    EXPECT_THROW((void)accept_two(1), QueueFull);
    EXPECT_EQ(query("SELECT count(*) FROM events"), "1");
    execute("CREATE TRIGGER t BEFORE INSERT ON jobs WHEN new.hook = 'b' BEGIN SELECT RAISE(ABORT, 'b fails'); END");
    EXPECT_ANY_THROW((void)accept_two(0));
    EXPECT_EQ(query("SELECT count(*) FROM events"), "1");
    EXPECT_EQ(count(JobState::queued), 1U);
    execute("DROP TRIGGER t");
    EXPECT_EQ(accept_two(2).size(), 2U);
}

TEST_F(StoreTest, KnowsADeliveryAgain)
{
    const auto first = accept(event("a", "d1"));
    const auto again = accept(event("a", "d1"));
    EXPECT_TRUE(again.duplicate);
    EXPECT_EQ(again.event, first.event);
    EXPECT_EQ(again.job, first.job);
    EXPECT_EQ(again.state, JobState::queued);
    EXPECT_FALSE(accept(event("b", "d1")).duplicate) << "each hook has its own";
    EXPECT_FALSE(accept(event("a")).duplicate);
    EXPECT_FALSE(accept(event("a")).duplicate) << "without an id nothing is a duplicate";
    EXPECT_FALSE(accept(event("a", "")).duplicate);
    EXPECT_TRUE(accept(event("a", "")).duplicate) << "an empty id is one";
    EXPECT_EQ(query("SELECT count(*) FROM bodies"), "5");

    EXPECT_TRUE(succeed(claim().at(0)));
    const auto succeeded = accept(event("a", "d1"));
    EXPECT_TRUE(succeeded.duplicate);
    EXPECT_EQ(succeeded.state, JobState::succeeded);
}

TEST_F(StoreTest, QueuesTheSameJobAnewForARepeatedDeliveryOfAFailedOne)
{
    const auto first = accept(event("a", "d1"));
    EXPECT_TRUE(fail(claim().at(0)));
    const auto again = accept(event("a", "d1"));
    EXPECT_FALSE(again.duplicate);
    EXPECT_EQ(again.state, JobState::queued);
    EXPECT_EQ(again.event, first.event);
    EXPECT_EQ(again.job, first.job);
    EXPECT_TRUE(accept(event("a", "d1")).duplicate) << "it is queued now";
    const auto second = claim().at(0);
    EXPECT_EQ(second.attempt, 2U);
    EXPECT_EQ(second.counted, 0U);
    EXPECT_EQ(await(store->cancel(first.job, "")), JobState::running);
    EXPECT_TRUE(accept(event("a", "d1")).duplicate);
    EXPECT_TRUE(finish(second, Outcome::signalled, {JobState::cancelled, {}, "by hand"}));
    EXPECT_FALSE(accept(event("a", "d1")).duplicate);
    EXPECT_EQ(count(JobState::queued), 1U);
}

TEST_F(StoreTest, CancelsWhatIsQueuedForHooksThatAreGone)
{
    std::vector<NewEvent> events;
    for (int i = 0; i < 1200; ++i)
        events.push_back(event(i % 300 == 0 ? "kept" : "gone"));
    accept_all(std::move(events));
    EXPECT_TRUE(finish(claim(1, {{"kept", 0}}).at(0), Outcome::exited, {JobState::queued, now() + 1h, ""}));
    const auto running = claim(1, {{"kept", 0}}).at(0);
    const auto cancel_some = [this] { return await(store->cancel_orphans({"kept"}, "its hook is gone")); };
    std::size_t cancelled = 0;
    int steps = 0;
    for (std::size_t some = cancel_some(); some != 0; some = cancel_some(), ++steps)
        cancelled += some;
    EXPECT_EQ(cancelled, 1195U);
    EXPECT_GE(steps, 3) << "no transaction is long";
    EXPECT_EQ(count(JobState::queued), 4U);
    EXPECT_EQ(count(JobState::cancelled), 1195U);
    EXPECT_EQ(query("SELECT DISTINCT reason FROM jobs WHERE state = 'cancelled'"), "its hook is gone");
    EXPECT_TRUE(succeed(running));
}

TEST_F(StoreTest, TellsWhichHooksGotJobs)
{
    std::mutex mutex;
    std::vector<std::string> heard;
    store->on_queued([&](const std::vector<std::string>& hooks) {
        const std::scoped_lock lock{mutex};
        heard.insert(heard.end(), hooks.begin(), hooks.end());
    });
    accept(event("a", "d1"));
    const auto job = claim().at(0);
    EXPECT_TRUE(accept(event("a", "d1")).duplicate);
    EXPECT_TRUE(finish(job, Outcome::interrupted, {JobState::queued, now(), ""}));
    accept(event("b"));
    store->close();
    EXPECT_EQ(heard, (std::vector<std::string>{"a", "a", "b"}));
}

TEST_F(StoreTest, TellsWhichJobsEnded)
{
    std::mutex mutex;
    std::vector<Uuid> heard;
    store->on_ended([&](const std::vector<Uuid>& jobs) {
        const std::scoped_lock lock{mutex};
        heard.insert(heard.end(), jobs.begin(), jobs.end());
    });
    const auto first = accept(event("a")).job;
    EXPECT_TRUE(finish(claim().at(0), Outcome::exited, {JobState::queued, now(), ""}));
    EXPECT_TRUE(succeed(claim().at(0)));
    const auto second = accept(event("a")).job;
    EXPECT_EQ(await(store->cancel(second, "by hand")), JobState::cancelled);
    EXPECT_EQ(await(store->retry(second)), JobState::queued);
    EXPECT_EQ(await(store->cancel_orphans({}, "gone")), 1U);
    accept(event("a"));
    EXPECT_TRUE(fail(claim().at(0)));
    store->close();
    ASSERT_EQ(heard.size(), 4U);
    EXPECT_EQ(std::vector(heard.begin(), heard.begin() + 3), (std::vector{first, second, second}));
}

TEST_F(StoreTest, CommitsWhatWaitsTogether)
{
    constexpr int accepts = 64;
    constexpr int rounds = 20;
    asio::io_context& io = caller_loop();
    std::vector<Accepted> done;
    const auto accept_in_turn = [](Store& to, std::vector<Accepted>& results) -> asio::awaitable<void> {
        for (int i = 0; i < rounds; ++i) {
            auto made = event("a");
            const auto accepted = co_await to.accept(std::move(made));
            results.push_back(accepted);
        }
    };
    for (int i = 0; i < accepts; ++i)
        asio::co_spawn(io, accept_in_turn(*store, done), asio::use_future);
    io.run();
    EXPECT_EQ(done.size(), std::size_t{accepts} * rounds);
    EXPECT_EQ(count(JobState::queued), std::uint64_t{accepts} * rounds);
    const auto text = metrics.text();
    const auto value = [&text](const std::string& name) {
        const auto at = text.find("\n" + name + " ");
        return at == std::string::npos ? -1.0 : std::stod(text.substr(at + name.size() + 2));
    };
    EXPECT_EQ(value("belay_store_batch_events_sum"), accepts * rounds);
    EXPECT_LT(value("belay_store_commit_seconds_count"), accepts * rounds / 4);
    EXPECT_EQ(value("belay_jobs{state=\"queued\"}"), accepts * rounds);
    EXPECT_EQ(value("belay_store_available"), 1);
}

TEST_F(StoreTest, KeepsEverythingOverARestart)
{
    const auto queued = accept(event("a", "d1")).job;
    const auto failed = accept(event("b")).job;
    EXPECT_TRUE(fail(claim(1, {{"a", 0}}).at(0)));
    reopen("boot-2");
    EXPECT_TRUE(store->take_recovered().jobs.empty());
    EXPECT_EQ(count(JobState::queued), 1U);
    EXPECT_EQ(count(JobState::failed), 1U);
    EXPECT_TRUE(accept(event("a", "d1")).duplicate);
    EXPECT_EQ(await(store->retry(failed)), JobState::queued);
    EXPECT_EQ(ids(claim(5)), (std::vector{queued, failed}));
}

TEST_F(StoreTest, RequeuesWhatRanInAFormerLifeUntilItWasLostThreeTimes)
{
    const auto job = accept(event("a", "d1")).job;
    for (unsigned life = 1; life <= max_lost_attempts; ++life) {
        const auto claimed = claim();
        ASSERT_EQ(ids(claimed), std::vector{job});
        EXPECT_EQ(claimed[0].attempt, life);
        EXPECT_EQ(claimed[0].counted, 0U) << "lost attempts do not count";
        reopen("boot-" + std::to_string(life + 1));
        EXPECT_EQ(store->take_recovered().jobs, std::vector{job});
        EXPECT_FALSE(succeed(claimed[0])) << "the former life has no say any more";
    }
    EXPECT_EQ(count(JobState::failed), 1U);
    EXPECT_EQ(query("SELECT reason FROM jobs"), "the daemon died in 3 of its attempts");
    EXPECT_EQ(query("SELECT count(*) FROM attempts WHERE outcome = 'lost'"), "3");
    EXPECT_TRUE(claim().empty());
    EXPECT_FALSE(accept(event("a", "d1")).duplicate) << "and may be tried anew";
    EXPECT_EQ(claim().size(), 1U);
    reopen("boot-9");
    EXPECT_EQ(count(JobState::queued), 1U) << "with a count from zero";
}

TEST_F(StoreTest, SparesTheAttemptsThatAreResumed)
{
    for (int i = 0; i < 3; ++i)
        accept(event("a"));
    const auto jobs = claim(3);
    ASSERT_EQ(jobs.size(), 3U);
    options.resumed = {{{jobs[0].job, 1}, {jobs[1].job, 2}, {make_uuid_v7(), 1}}, // the second is not at that attempt
        await(store->freeze(no_deadline))};
    reopen("boot-1");
    EXPECT_EQ(store->take_recovered().jobs, (std::vector{jobs[1].job, jobs[2].job}));
    EXPECT_EQ(count(JobState::running), 1U);
    EXPECT_EQ(count(JobState::queued), 2U);
    EXPECT_TRUE(succeed(jobs[0]));
    EXPECT_FALSE(succeed(jobs[1]));
    EXPECT_EQ(claim(3).size(), 2U);
}

TEST_F(StoreTest, DoesNoUpkeepWhileItIsFrozen)
{
    const auto log_bytes = [this] {
        const std::string name = "\nbelay_store_wal_bytes ";
        const std::string text = metrics.text();
        return std::stod(text.substr(text.find(name) + name.size()));
    };
    const auto accept_mebibyte = [this] {
        NewEvent made = event("a");
        made.request.assign(1_MiB, 'x'); // larger bodies are kept elsewhere
        accept(std::move(made));
    };
    (void)await(store->freeze(no_deadline));
    for (int i = 0; i < 8; ++i)
        accept_mebibyte();
    accept(event("a")); // the turn before it is over
    EXPECT_GT(log_bytes(), 8.0 * (1 << 20)) << "checkpointed";
    store->thaw();
    EXPECT_TRUE(waits_until([&] { return log_bytes() == 0; }));
    accept_mebibyte();
    EXPECT_GT(log_bytes(), 0);
    await(store->checkpoint(no_deadline));
    EXPECT_EQ(log_bytes(), 0) << "though it was not due";
    {
        const Locked lock{options.path};
        EXPECT_THROW(await(store->freeze(std::chrono::steady_clock::now() + 50ms)), StoreUnavailable);
    }
    for (int i = 0; i < 8; ++i)
        accept_mebibyte();
    accept(event("a"));
    EXPECT_LT(log_bytes(), 8.0 * (1 << 20)) << "too late to be frozen, it goes on";
}

TEST_F(StoreTest, DoesNotCountAgainWhatItsPredecessorCounted)
{
    accept(event("a"));
    accept(event("b"));
    const Uuid running = claim(1, {{"b", 0}}).at(0).job;
    JobCounts::ByHook counts = await(store->freeze(no_deadline));
    EXPECT_EQ(counts, (JobCounts::ByHook{{"a", {0, 1}}, {"b", {1}}}));
    counts["b"] = {10, 0, 5};
    options.resumed = {{{running, 1}}, counts};
    open();
    EXPECT_EQ(count(JobState::queued), 10U);
    EXPECT_EQ(count(JobState::running), 1U);
    EXPECT_EQ(count(JobState::succeeded), 5U);
    accept(event("b"));
    EXPECT_EQ(count(JobState::queued), 11U);
}

TEST_F(StoreTest, ForgetsFinishedJobsAfterTheRetention)
{
    options.retention = 0ms;
    store.reset();
    open();
    constexpr int jobs = 450; // several batches
    std::vector<NewEvent> events;
    for (int i = 0; i < jobs; ++i)
        events.push_back(event("a", std::to_string(i)));
    accept_all(std::move(events));
    const auto queued = accept(event("b")).job;
    succeed_all(claim(jobs, {{"b", 0}}), "some output");
    open(); // prunes at once
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (count(JobState::succeeded) != 0 && std::chrono::steady_clock::now() < deadline)
        std::this_thread::yield();
    EXPECT_EQ(query("SELECT count(*) FROM jobs"), "1");
    EXPECT_EQ(query("SELECT count(*) FROM events"), "1");
    EXPECT_EQ(query("SELECT count(*) FROM bodies"), "1");
    EXPECT_EQ(query("SELECT count(*) FROM attempts"), "0");
    EXPECT_EQ(query("SELECT count(*) FROM outputs"), "0");
    EXPECT_FALSE(accept(event("a", "7")).duplicate) << "the delivery is forgotten with its row";
    EXPECT_EQ(claim().at(0).job, queued);
    EXPECT_NE(metrics.text().find("belay_store_pruned_total 450"), std::string::npos);
}

TEST_F(StoreTest, SaysSinceWhenTheOldestDueJobOfAHookWaits)
{
    accept(event("a"));
    const auto first = claim().at(0);
    EXPECT_TRUE(finish(first, Outcome::exited, {JobState::queued, now(), ""})); // a retry does not reset the clock
    accept(event("a"));
    accept(event("later"));
    EXPECT_TRUE(finish(claim(1, {{"a", 0}}).at(0), Outcome::exited, {JobState::queued, now() + 1h, ""}));
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (store->oldest_ready().empty() && std::chrono::steady_clock::now() < deadline)
        std::this_thread::yield();
    EXPECT_EQ(store->oldest_ready(), (std::map<std::string, Time>{{"a", first.enqueued}}));
}

TEST_F(StoreTest, RefusesEverythingOnceClosed)
{
    accept(event("a"));
    store->close();
    store->close();
    EXPECT_THROW(accept(event("a")), StoreUnavailable);
    EXPECT_THROW(claim(), StoreUnavailable);
    EXPECT_THROW((void)await(store->retry(make_uuid_v7())), StoreUnavailable);
    EXPECT_EQ(count(JobState::queued), 1U);
    EXPECT_FALSE(std::filesystem::exists(options.path + "-wal")) << "checkpointed";
}

} // namespace
} // namespace belay::jobs
