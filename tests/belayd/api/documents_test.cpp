#include "belayd/api/documents.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

namespace belay::api {
namespace {

using namespace std::chrono_literals;

constexpr jobs::Time then{1'795'153'845'000'123us};

Uuid id(const char* last)
{
    return *parse_uuid(std::string{"01939f3c-7b2a-7e4d-8b1a-01234567890"} + last);
}

jobs::JobSummary summary()
{
    return {.job = id("1"),
        .event = id("2"),
        .hook = "deploy",
        .state = jobs::JobState::failed,
        .reason = "attempts used up",
        .attempts = 2,
        .enqueued = then,
        .run_at = then,
        .finished = then + 1s};
}

TEST(JobDocument, HasTheMembersOfTheContract)
{
    EXPECT_EQ(json::value(to_json(summary())), json::parse(R"({
        "id": "01939f3c-7b2a-7e4d-8b1a-012345678901", "event": "01939f3c-7b2a-7e4d-8b1a-012345678902",
        "hook": "deploy", "state": "failed", "reason": "attempts used up", "attempts": 2,
        "enqueued": "2026-11-20T05:50:45.000123Z", "run_at": "2026-11-20T05:50:45.000123Z",
        "finished": "2026-11-20T05:50:46.000123Z"})"));
    auto queued = summary();
    queued.finished.reset();
    EXPECT_TRUE(to_json(queued).at("finished").is_null());
}

TEST(JobDocument, OfOneJobHasItsAttempts)
{
    jobs::JobDetail detail{.summary = summary(),
        .arguments = {"/bin/x", "a b", "\xff"},
        .delivery_id = "d-1",
        .remote = "192.0.2.7",
        .traceparent = "",
        .received = then,
        .body_bytes = 17,
        .attempts = {}};
    detail.attempts.push_back({.number = 1,
        .started = then,
        .finished = then,
        .outcome = jobs::Outcome::exited,
        .exit_status = 7,
        .signal = 0,
        .detail = "",
        .stdout_bytes = 3,
        .stderr_bytes = 0,
        .stdout_dropped = 4,
        .stderr_dropped = 0});
    detail.attempts.push_back({.number = 2,
        .started = then,
        .finished = {},
        .outcome = {},
        .exit_status = 0,
        .signal = 0,
        .detail = "",
        .stdout_bytes = 0,
        .stderr_bytes = 0,
        .stdout_dropped = 0,
        .stderr_dropped = 0});
    const auto document = to_json(detail);
    EXPECT_EQ(document.at("arguments"), json::parse(R"(["/bin/x", "a b", "\\xff"])"));
    EXPECT_EQ(document.at("delivery_id"), "d-1");
    EXPECT_EQ(document.at("body_bytes"), 17);
    EXPECT_EQ(document.at("attempt_list"), json::parse(R"([
        {"attempt": 1, "outcome": "exited", "started": "2026-11-20T05:50:45.000123Z",
         "finished": "2026-11-20T05:50:45.000123Z", "detail": "", "stdout_bytes": 3, "stdout_dropped": 4,
         "stderr_bytes": 0, "stderr_dropped": 0, "exit_status": 7},
        {"attempt": 2, "outcome": null, "started": "2026-11-20T05:50:45.000123Z", "finished": null, "detail": "",
         "stdout_bytes": 0, "stdout_dropped": 0, "stderr_bytes": 0, "stderr_dropped": 0}])"));
}

TEST(OutputDocument, ShowsTextAsTextAndOtherBytesAsBase64)
{
    const jobs::AttemptOutput output{.attempt = 2,
        .out = {.text = std::string{"a\0\"\n", 4}, .dropped = 5},
        .err = {.text = "\xff\xfe", .dropped = 0}};
    EXPECT_EQ(json::value(to_json(id("1"), output, /*running=*/true)), json::parse(R"({
        "job": "01939f3c-7b2a-7e4d-8b1a-012345678901", "attempt": 2, "running": true,
        "stdout": "a\u0000\"\n", "stdout_dropped": 5, "stderr_base64": "//4=", "stderr_dropped": 0})"));
}

TEST(OutputDocument, EncodesEveryLength)
{
    for (const auto& [bytes, text] : std::map<std::string, std::string>{
             {"\xff", "/w=="}, {"\xff\xff", "//8="}, {"\xff\xff\xff", "////"}, {"\xff\xff\xff\xff", "/////w=="}}) {
        const auto document = to_json(id("1"), {.attempt = 1, .out = {.text = bytes, .dropped = 0}, .err = {}}, false);
        EXPECT_EQ(document.at("stdout_base64").as_string(), text);
    }
}

TEST(EventDocument, HasTheMembersOfTheContract)
{
    const jobs::EventSummary event{.event = id("2"),
        .hook = "deploy",
        .delivery_id = "d-1",
        .remote = "unix",
        .received = then,
        .body_bytes = 17,
        .job = {}};
    EXPECT_EQ(json::value(to_json(event)), json::parse(R"({
        "id": "01939f3c-7b2a-7e4d-8b1a-012345678902", "hook": "deploy", "delivery_id": "d-1", "remote": "unix",
        "received": "2026-11-20T05:50:45.000123Z", "body_bytes": 17, "job": null})"));
}

TEST(CountsDocument, HasEveryState)
{
    EXPECT_EQ(json::value(to_json(std::array<std::uint64_t, jobs::job_states>{1, 2, 3, 4, 5, 6})),
        json::parse(R"({"queued":1,"running":2,"succeeded":3,"failed":4,"cancelled":5,"superseded":6})"));
}

TEST(Ages, AreSecondsAndNeverNegative)
{
    EXPECT_EQ(json::serialize(ages({{"a", then}, {"b", then + 10s}}, then + 2500ms)), R"({"a":2.5E0,"b":0E0})");
}

} // namespace
} // namespace belay::api
