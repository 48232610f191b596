#include "belayd/jobs/netstrings.hpp"
#include "belayd/jobs/store_reader.hpp"
#include "tests/belayd/jobs/store_fixture.hpp"

#include <algorithm>

namespace belay::jobs {
namespace {

using namespace std::chrono_literals;

struct StoreReaderTest : StoreFixture {
    std::unique_ptr<StoreReader> reader;

    void SetUp() override
    {
        StoreFixture::SetUp();
        reader = std::make_unique<StoreReader>(threads, options.path);
    }

    std::vector<Uuid> jobs(Page page)
    {
        std::vector<Uuid> ids;
        for (const auto& job : await(reader->jobs(std::move(page))))
            ids.push_back(job.job);
        return ids;
    }

    std::vector<Uuid> events(Page page)
    {
        std::vector<Uuid> ids;
        for (const auto& each : await(reader->events(std::move(page))))
            ids.push_back(each.event);
        return ids;
    }
};

TEST_F(StoreReaderTest, ShowsAJobWithItsEventAndAttempts)
{
    NewEvent made = event("deploy", "d1");
    made.body = "12345";
    made.remote = "192.0.2.1";
    made.traceparent = "00-1-2-01";
    made.arguments = {"echo", "hi"};
    const auto accepted = accept(made);
    const auto first = claim().at(0);
    const auto running = await(reader->job(accepted.job)).value();
    EXPECT_EQ(running.summary.state, JobState::running);
    EXPECT_FALSE(running.attempts.at(0).outcome);
    EXPECT_FALSE(running.attempts.at(0).finished);

    EXPECT_TRUE(finish(first, Outcome::timed_out, {JobState::queued, now(), ""}));
    EXPECT_TRUE(finish(claim().at(0), Outcome::exited, {JobState::failed, {}, "attempts used up"}, "output"));
    const auto job = await(reader->job(accepted.job)).value();
    EXPECT_EQ(job.summary.job, accepted.job);
    EXPECT_EQ(job.summary.event, accepted.event);
    EXPECT_EQ(job.summary.hook, "deploy");
    EXPECT_EQ(job.summary.state, JobState::failed);
    EXPECT_EQ(job.summary.reason, "attempts used up");
    EXPECT_EQ(job.summary.attempts, 2U);
    EXPECT_EQ(job.summary.enqueued, first.enqueued);
    EXPECT_TRUE(job.summary.finished);
    EXPECT_EQ(job.arguments, made.arguments);
    EXPECT_EQ(job.delivery_id, "d1");
    EXPECT_EQ(job.remote, "192.0.2.1");
    EXPECT_EQ(job.traceparent, "00-1-2-01");
    EXPECT_EQ(job.body_bytes, 5U);
    ASSERT_EQ(job.attempts.size(), 2U);
    EXPECT_EQ(job.attempts[0].outcome, Outcome::timed_out);
    EXPECT_EQ(job.attempts[1].number, 2U);
    EXPECT_EQ(job.attempts[1].stdout_bytes, 6U);
    EXPECT_FALSE(await(reader->job(make_uuid_v7())));
}

TEST_F(StoreReaderTest, GivesARequestAsItCame)
{
    NewEvent made = event("deploy");
    made.body = std::string{"\0\xff", 2};
    made.remote = "192.0.2.1";
    made.request = join_netstrings(std::vector<std::string>{"POST", "/hooks/deploy?a=%20", "X-A", "1", "x-a", "\xfc"});
    const auto request = await(reader->request(accept(made).event)).value();
    EXPECT_EQ(request.hook, "deploy");
    EXPECT_EQ(request.remote, "192.0.2.1");
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.target, "/hooks/deploy?a=%20");
    EXPECT_EQ(request.fields, (std::vector<std::pair<std::string, std::string>>{{"X-A", "1"}, {"x-a", "\xfc"}}));
    EXPECT_EQ(request.body, made.body);
    EXPECT_LE(request.received, now());

    made.request = ""; // as of version 1
    made.content_type = "text/plain";
    const auto old = await(reader->request(accept(made).event)).value();
    EXPECT_EQ(old.method, "");
    EXPECT_EQ(old.fields, (std::vector<std::pair<std::string, std::string>>{{"Content-Type", "text/plain"}}));
    EXPECT_FALSE(await(reader->request(make_uuid_v7())));
}

TEST_F(StoreReaderTest, PagesThroughJobsNewestFirst)
{
    std::vector<Uuid> all;
    for (int i = 0; i < 7; ++i)
        all.push_back(accept(event(i % 2 == 0 ? "even" : "odd")).job);
    std::reverse(all.begin(), all.end());
    EXPECT_EQ(jobs({}), all);
    std::vector<Uuid> paged;
    Page page;
    page.limit = 3;
    for (auto some = jobs(page); !some.empty(); some = jobs(page)) {
        EXPECT_LE(some.size(), 3U);
        paged.insert(paged.end(), some.begin(), some.end());
        page.before = paged.back();
    }
    EXPECT_EQ(paged, all);
}

TEST_F(StoreReaderTest, FiltersByHookAndStateNewestFirst)
{
    std::vector<Uuid> all;
    for (int i = 0; i < 6; ++i)
        all.push_back(accept(event(i % 2 == 0 ? "even" : "odd")).job); // 0 2 4, 1 3 5
    EXPECT_TRUE(fail(claim(1, {{"odd", 0}}).at(0)));                   // 0 failed
    EXPECT_TRUE(finish(claim(1, {{"odd", 0}}).at(0), Outcome::exited, {JobState::queued, now() + 1h, ""})); // 2 waits
    EXPECT_TRUE(fail(claim(1, {{"even", 0}}).at(0)));                                                       // 1 failed
    EXPECT_EQ(jobs({.state = JobState::failed, .hook = "", .before = {}}), (std::vector{all[1], all[0]}));
    EXPECT_EQ(
        jobs({.state = JobState::queued, .hook = "", .before = {}}), (std::vector{all[5], all[4], all[3], all[2]}));
    EXPECT_EQ(jobs({.state = JobState::queued, .hook = "even", .before = {}}), (std::vector{all[4], all[2]}));
    EXPECT_EQ(jobs({.state = JobState::queued, .hook = "even", .before = all[4]}), (std::vector{all[2]}));
    EXPECT_EQ(jobs({.state = {}, .hook = "even", .before = {}, .limit = 2}), (std::vector{all[4], all[2]}));
    EXPECT_TRUE(jobs({.state = {}, .hook = "none", .before = {}}).empty());
    EXPECT_EQ(
        await(reader->queued_by_hook()), (std::vector<std::pair<std::string, std::uint64_t>>{{"even", 2}, {"odd", 2}}));
}

TEST_F(StoreReaderTest, PagesThroughEvents)
{
    std::vector<Uuid> all;
    for (int i = 0; i < 4; ++i)
        all.push_back(accept(event(i % 2 == 0 ? "even" : "odd", std::to_string(i))).event);
    EXPECT_EQ(events({}), (std::vector{all[3], all[2], all[1], all[0]}));
    EXPECT_EQ(events({.state = {}, .hook = "", .before = all[2]}), (std::vector{all[1], all[0]}));
    EXPECT_EQ(events({.state = {}, .hook = "even", .before = {}}), (std::vector{all[2], all[0]}));
    EXPECT_EQ(events({.state = {}, .hook = "even", .before = all[2]}), (std::vector{all[0]}));
    const auto newest = await(reader->events({})).at(0);
    EXPECT_EQ(newest.hook, "odd");
    EXPECT_EQ(newest.delivery_id, "3");
    EXPECT_EQ(newest.body_bytes, 2U);
    EXPECT_EQ(newest.job, jobs({}).at(0));
}

TEST_F(StoreReaderTest, GivesTheOutputOfFinishedAttempts)
{
    const auto job = accept(event("a")).job;
    EXPECT_FALSE(await(reader->output(job, 0)));
    EXPECT_TRUE(finish(claim().at(0), Outcome::exited, {JobState::queued, now(), ""}, std::string{"one\0\xff", 5}));
    EXPECT_TRUE(finish(claim().at(0), Outcome::exited, {JobState::queued, now(), ""}));
    EXPECT_TRUE(finish(claim().at(0), Outcome::exited, {JobState::queued, now(), ""}, "three"));
    claim();
    EXPECT_EQ(await(reader->output(job, 1)).value().out.text, (std::string{"one\0\xff", 5}));
    EXPECT_EQ(await(reader->output(job, 2)).value().out.text, "");
    EXPECT_EQ(await(reader->output(job, 0)).value().attempt, 3U);
    EXPECT_FALSE(await(reader->output(job, 4))) << "it runs";
    EXPECT_FALSE(await(reader->output(make_uuid_v7(), 0)));
}

TEST_F(StoreReaderTest, RefusesOnceClosed)
{
    reader->close();
    reader->close();
    EXPECT_THROW((void)jobs({}), StoreUnavailable);
}

} // namespace
} // namespace belay::jobs
