#include "belayd/api/routes.hpp"
#include "tests/belayd/api/api_fixture.hpp"
#include "tests/http/run_handler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::api {
namespace {

using ::testing::HasSubstr;

constexpr const char* nobody = "01939f3c-7b2a-7e4d-8b1a-0123456789ab";

std::string text(const boost::json::value& value)
{
    return {value.as_string().data(), value.as_string().size()};
}

/** The ids of all rows, page by page. */
std::vector<std::string> ids_of_all_pages(const std::function<Reply(const std::string&)>& get, const std::string& list)
{
    std::vector<std::string> ids;
    std::string before;
    for (;;) {
        const auto reply = get("/" + list + "?limit=2" + before);
        EXPECT_EQ(reply.status, 200);
        for (const auto& row : reply.body.at(list).as_array())
            ids.push_back(text(row.at("id")));
        if (reply.body.at("next").is_null())
            return ids;
        before = "&before=" + text(reply.body.at("next"));
    }
}

TEST_F(ApiTest, ListsJobsAndEventsNewestFirstPageByPage)
{
    serve([this](ApiService& service) {
        std::vector<std::string> newest_first;
        for (int i = 0; i < 5; ++i)
            newest_first.insert(newest_first.begin(), service.enqueue("wait", {"/bin/sleep", "1000"}));
        const auto other = service.enqueue("run", {"/bin/true"}, "delivery-1");
        wait_for(other, "succeeded");

        const std::function<Reply(const std::string&)> getter = [this](
                                                                    const std::string& target) { return get(target); };
        auto all = ids_of_all_pages(getter, "jobs");
        ASSERT_EQ(all.size(), 6U);
        EXPECT_EQ(all.front(), other);
        EXPECT_EQ((std::vector<std::string>{all.begin() + 1, all.end()}), newest_first);
        EXPECT_EQ(ids_of_all_pages(getter, "events").size(), 6U);

        const auto succeeded = get("/jobs?state=succeeded").body;
        ASSERT_EQ(succeeded.at("jobs").as_array().size(), 1U);
        EXPECT_EQ(succeeded.at("jobs").at(0).at("id"), other.c_str());
        EXPECT_EQ(get("/jobs?hook=wait").body.at("jobs").as_array().size(), 5U);
        EXPECT_EQ(get("/jobs?hook=nobody").body.at("jobs").as_array().size(), 0U);
        const auto event = get("/events?hook=run").body.at("events").at(0);
        EXPECT_EQ(event.at("job"), other.c_str());
        EXPECT_EQ(event.at("delivery_id"), "delivery-1");
        EXPECT_EQ(event.at("remote"), "192.0.2.7");
    });
}

TEST_F(ApiTest, ShowsAJobItsAttemptsAndItsOutput)
{
    serve([this](ApiService& service) {
        const auto id = service.enqueue("run", {"/bin/sh", "-c", "printf 'grün\\n'; printf '\\377\\376' >&2; exit 3"});
        const auto job = wait_for(id, "failed");
        EXPECT_EQ(job.at("hook"), "run");
        EXPECT_EQ(job.at("arguments").at(0), "/bin/sh");
        EXPECT_EQ(job.at("body_bytes"), 2);
        ASSERT_EQ(job.at("attempt_list").as_array().size(), 1U);
        const auto& attempt = job.at("attempt_list").at(0);
        EXPECT_EQ(attempt.at("outcome"), "exited");
        EXPECT_EQ(attempt.at("exit_status"), 3);
        EXPECT_EQ(attempt.at("stdout_bytes"), 6);

        for (const char* query : {"", "?attempt=1"}) {
            const auto output = get("/jobs/" + id + "/output" + query).body;
            EXPECT_EQ(output.at("job"), id.c_str());
            EXPECT_EQ(output.at("attempt"), 1);
            EXPECT_EQ(output.at("running"), false);
            EXPECT_EQ(output.at("stdout"), "grün\n");
            EXPECT_EQ(output.at("stderr_base64"), "//4=");
            EXPECT_EQ(output.at("stdout_dropped"), 0);
        }
        EXPECT_EQ(get("/jobs/" + id + "/output?attempt=2").status, 404);
    });
}

TEST_F(ApiTest, ShowsLiveOutputCancelsAndRetries)
{
    serve([this](ApiService& service) {
        const auto running = service.enqueue("wait", {"/bin/sh", "-c", "echo begun; exec sleep 1000"});
        const auto queued = service.enqueue("wait", {"/bin/true"});
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
        Reply output;
        while (output.status != 200 || output.body.at("stdout") != "begun\n") {
            ASSERT_LT(std::chrono::steady_clock::now(), deadline) << output.body;
            output = get("/jobs/" + running + "/output");
        }
        EXPECT_EQ(output.body.at("running"), true);
        EXPECT_EQ(get("/jobs/" + queued + "/output").status, 404);
        EXPECT_EQ(post("/jobs/" + running + "/retry").status, 409);
        const auto status = get("/status").body;
        EXPECT_EQ(status.at("running").at(0).at("job"), running.c_str());
        EXPECT_EQ(status.at("jobs").at("running"), 1);
        EXPECT_EQ(status.at("jobs").at("queued"), 1);

        const auto cancelled = post("/jobs/" + queued + "/cancel");
        EXPECT_EQ(cancelled.status, 200);
        EXPECT_EQ(cancelled.body, boost::json::parse(R"({"id":")" + queued + R"(","state":"cancelled"})"));
        EXPECT_EQ(post("/jobs/" + queued + "/cancel").status, 409);
        EXPECT_EQ(post("/jobs/" + running + "/cancel").status, 202);
        wait_for(running, "cancelled");

        const auto retried = post("/jobs/" + queued + "/retry");
        EXPECT_EQ(retried.status, 200);
        EXPECT_EQ(retried.body.at("id"), queued.c_str());
        wait_for(queued, "succeeded");
        EXPECT_EQ(post("/jobs/" + queued + "/retry").status, 409);
    });
}

TEST_F(ApiTest, DoesNotRetryAJobWhoseHookIsGone)
{
    serve([this](ApiService& service) {
        const auto job = service.enqueue("run", {"/bin/false"});
        wait_for(job, "failed");
        service.keep_hooks({"wait"});
        const auto refused = post("/jobs/" + job + "/retry");
        EXPECT_EQ(refused.status, 409);
        EXPECT_EQ(text(refused.body.at("detail")), "the job cannot be retried: hook no longer configured");
        EXPECT_EQ(wait_for(job, "failed").at("attempt_list").as_array().size(), 1U);
        service.keep_hooks({"run"});
        EXPECT_EQ(post("/jobs/" + job + "/retry").status, 200);
    });
}

TEST_F(ApiTest, TellsTheStatus)
{
    serve([this](ApiService& service) {
        const auto status = get("/status").body;
        EXPECT_EQ(status.at("state"), "ready");
        EXPECT_EQ(status.at("ready"), true);
        EXPECT_EQ(status.at("reasons").as_array().size(), 0U);
        EXPECT_EQ(status.at("status"), "serving a test");
        EXPECT_EQ(status.at("version"), "1.2.3");
        EXPECT_EQ(status.at("pid"), ::getpid());
        EXPECT_GT(status.at("uptime_seconds").as_double(), 0.0);
        EXPECT_EQ(status.at("config_file"), "/etc/belay/belay.toml");
        EXPECT_EQ(status.at("state_dir"), directory().c_str());
        EXPECT_EQ(status.at("jobs").as_object().size(), jobs::job_states);
        EXPECT_TRUE(status.at("oldest_ready_age_seconds").is_object());

        service.not_ready = {"the disk is full"};
        const auto full = get("/status").body;
        EXPECT_EQ(full.at("ready"), false);
        EXPECT_EQ(full.at("reasons").at(0), "the disk is full");
    });
}

TEST_F(ApiTest, ReloadsAndReturnsTheVerdict)
{
    serve([this](ApiService& service) {
        service.verdict = {.ok = true, .message = "configuration reloaded: 2 hooks"};
        const auto good = post("/reload");
        EXPECT_EQ(good.status, 200);
        EXPECT_EQ(good.body, boost::json::parse(R"({"ok":true,"message":"configuration reloaded: 2 hooks"})"));

        service.verdict = {.ok = false, .message = "belay.toml:3:1: unknown key\nbelay.toml:4:1: unknown key"};
        const auto bad = post("/reload");
        EXPECT_EQ(bad.status, 422);
        EXPECT_EQ(bad.content_type, "application/problem+json");
        EXPECT_EQ(bad.body.at("ok"), false);
        EXPECT_EQ(bad.body.at("message"), service.verdict.message.c_str());
    });
}

TEST_F(ApiTest, AnswersMistakesWithProblemDocuments)
{
    serve([this](ApiService&) {
        const auto expect = [](const Reply& reply, int status, const char* detail) {
            EXPECT_EQ(reply.status, status);
            EXPECT_EQ(reply.content_type, "application/problem+json");
            EXPECT_THAT(text(reply.body.at("detail")), HasSubstr(detail));
        };
        expect(get("/jobs?limit=0"), 400, "limit");
        expect(get("/jobs?state=done"), 400, "state");
        expect(get("/jobs?colour=red"), 400, "colour is none of");
        expect(get("/events?state=queued"), 400, "hook, before, limit");
        expect(get("/jobs/nonsense"), 400, "id");
        expect(post("/jobs/nonsense/cancel"), 400, "id");
        for (const char* what : {"", "/output"})
            expect(get(std::string{"/jobs/"} + nobody + what), 404, "no such job");
        for (const char* what : {"/retry", "/cancel"})
            expect(post(std::string{"/jobs/"} + nobody + what), 404, "no such job");
        EXPECT_EQ(get("/reload").status, 405);
        EXPECT_EQ(get("/nothing").status, 404);
    });
}

TEST(Api, IsUnavailableUntilTheServiceHasStarted)
{
    http::Router router;
    const Sources sources;
    add_routes(router, sources);
    http::Request request;
    request.method = "GET";
    request.path = "/api/v1/status";
    ASSERT_TRUE(std::holds_alternative<Bytes>(router.admit(request)));
    const auto response = http::run_handler(router.dispatcher(), request);
    EXPECT_EQ(response.status, 503);
    EXPECT_THAT(response.fields, ::testing::Contains(std::pair<std::string, std::string>{"Retry-After", "1"}));
}

} // namespace
} // namespace belay::api
