#include "attempt_fixture.hpp"
#include "belayd/jobs/handed_attempt.hpp"
#include "store_fixture.hpp" // TemporaryDirectory

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <filesystem>
#include <string>

namespace belay::jobs {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
namespace json = boost::json;

class HandedAttemptTest : public AttemptTest {
protected:
    /** A running attempt that nobody holds, once it has written `bytes` bytes. */
    HandedAttempt hand_over(AttemptSpec spec, std::size_t bytes)
    {
        AttemptRunner attempt{spec, adopted_, oom_};
        asio::co_spawn(io_, attempt.run(), [](std::exception_ptr, std::optional<AttemptResult>) {});
        while (attempt.output().out.text.size() + attempt.output().out.dropped < bytes)
            if (io_.run_one_for(60s) == 0)
                throw std::runtime_error{"the attempt did not get as far"};
        std::optional<HandedRun> run = attempt.hand_over();
        io_.run_for(60s);
        HandedAttempt made{{}, {}, false, Clock::now(), std::move(run).value()};
        made.job.job = spec.job;
        made.job.event = spec.event;
        made.job.hook = spec.hook;
        made.job.attempt = spec.attempt;
        return made;
    }

    /** As text and back, as in a memfd. */
    static json::value through_text(const json::array& document)
    {
        json::parse_options options;
        options.allow_invalid_utf8 = true;
        return json::parse(json::serialize(document), {}, options);
    }

    static std::vector<HandedAttempt> one(HandedAttempt attempt)
    {
        std::vector<HandedAttempt> attempts;
        attempts.push_back(std::move(attempt));
        return attempts;
    }

    AttemptResult resume(HandedAttempt attempt)
    {
        AttemptRunner runner{std::move(attempt.run), adopted_, oom_};
        runner.stop(AttemptRunner::Stop::interrupt);
        return run(runner);
    }

    daemon::Handover handover_;
};

TEST_F(HandedAttemptTest, IsTheSameAfterwards)
{
    AttemptSpec spec = shell(R"(printf 'a\000b\377\303(\200"\\\n'; exec >&-; echo err >&2; exec sleep 1000)");
    spec.attempt = 3;
    spec.directory = "/usr";
    spec.output_limit = 8;
    spec.timeout = 90s;
    spec.kill_grace = 1500ms;
    HandedAttempt before = hand_over(spec, 10);
    const std::string out{"a\0b\377\303(\200\"", 8};
    EXPECT_EQ(before.run.out.captured.text, out);
    before.job.hook = before.run.spec.hook = "höök\xff";
    before.job.counted = 2;
    before.job.enqueued = Time{1234567890123456us};
    before.job.traceparent = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01";
    before.rules = {61s, 5, 3s, 4h, 6, "/tmp/\xfe", 5_MiB};
    before.cancelled = true;
    before.run.out.captured.dropped = std::uint64_t{1} << 63;
    before.run.out.pipe.reset(); // has ended
    before.run.oom_before = 17;
    before.run.ended_by = EndedBy::cancel;
    before.run.at_once = true;
    before.run.killed = true;
    const TemporaryDirectory state;
    const std::string files = state.path() / "with-\xff";
    std::filesystem::create_directory(files);
    before.run.files = AttemptFiles{files};
    const pid_t pid = before.run.child.pid();
    const auto begun = before.begun;
    const auto next_step = before.run.next_step;
    const auto started = before.run.started;

    const json::value document = through_text(give_attempts(one(std::move(before)), handover_));
    std::vector<HandedAttempt> taken = take_attempts(document, handover_);
    ASSERT_EQ(taken.size(), 1u);
    HandedAttempt& after = taken[0];
    EXPECT_EQ(after.job.job, spec.job);
    EXPECT_EQ(after.job.event, spec.event);
    EXPECT_EQ(after.job.hook, "höök\xff");
    EXPECT_EQ(after.job.attempt, 3u);
    EXPECT_EQ(after.job.counted, 2u);
    EXPECT_EQ(after.job.enqueued, Time{1234567890123456us});
    EXPECT_EQ(after.job.traceparent, "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01");
    EXPECT_EQ(after.rules.timeout, 61s);
    EXPECT_EQ(after.rules.attempts, 5u);
    EXPECT_EQ(after.rules.backoff, 3s);
    EXPECT_EQ(after.rules.max_backoff, 4h);
    EXPECT_EQ(after.rules.concurrency, 6u);
    EXPECT_EQ(after.rules.directory, "/tmp/\xfe");
    EXPECT_EQ(after.rules.output_limit, 5_MiB);
    EXPECT_TRUE(after.cancelled);
    EXPECT_EQ(after.begun, begun);
    const HandedRun& run = after.run;
    EXPECT_EQ(run.spec.job, spec.job);
    EXPECT_EQ(run.spec.event, spec.event);
    EXPECT_EQ(run.spec.hook, "höök\xff");
    EXPECT_EQ(run.spec.attempt, 3u);
    EXPECT_EQ(run.spec.directory, "/usr");
    EXPECT_EQ(run.spec.output_limit, 8u);
    EXPECT_EQ(run.spec.timeout, 90s);
    EXPECT_EQ(run.spec.kill_grace, 1500ms);
    EXPECT_EQ(run.child.pid(), pid);
    EXPECT_EQ(run.out.captured.text, out);
    EXPECT_EQ(run.out.captured.dropped, std::uint64_t{1} << 63);
    EXPECT_FALSE(run.out.pipe);
    EXPECT_TRUE(run.err.pipe);
    EXPECT_EQ(run.started, started);
    EXPECT_EQ(run.next_step, next_step);
    EXPECT_EQ(run.oom_before, 17u);
    EXPECT_EQ(run.ended_by, EndedBy::cancel);
    EXPECT_TRUE(run.at_once);
    EXPECT_TRUE(run.killed);
    EXPECT_EQ(run.files.directory(), files);
    EXPECT_TRUE(std::filesystem::exists(files));
}

TEST_F(HandedAttemptTest, GoesOnAfterwards)
{
    const json::array document = give_attempts(one(hand_over(shell("echo ready; exec sleep 1000"), 6)), handover_);
    std::vector<HandedAttempt> taken = take_attempts(through_text(document), handover_);
    ASSERT_EQ(taken.size(), 1u);
    EXPECT_FALSE(taken[0].run.oom_before);
    const AttemptResult result = resume(std::move(taken[0]));
    EXPECT_EQ(result.outcome, Outcome::interrupted);
    EXPECT_EQ(result.signal, SIGTERM);
    EXPECT_EQ(result.out.text, "ready\n");
}

TEST_F(HandedAttemptTest, ADocumentThatIsWrongIsRefused)
{
    const json::array good = give_attempts(one(hand_over(shell("echo ready; exec sleep 1000"), 6)), handover_);
    const auto wrong = [&](const char* pointer, const json::value& value) {
        json::value document = good;
        document.at_pointer(pointer) = value;
        try {
            (void)take_attempts(document, handover_);
            ADD_FAILURE() << pointer;
            return std::string{};
        } catch (const daemon::HandoverError& e) {
            return std::string{e.what()};
        }
    };
    for (const int pid : {-1, 0, 1, ::getpid(), ::getppid()})
        EXPECT_EQ(wrong("/0/run/pid", pid),
            "running attempt 1: process " + std::to_string(pid) + " is no child of ours"); // nor is it killed
    EXPECT_EQ(wrong("/0/job/id", "x"), "running attempt 1: id is no id");
    wrong("/0/job/attempt", -1);
    wrong("/0/job", json::object{});
    wrong("/0", 1);
    EXPECT_THROW((void)take_attempts(json::object{}, handover_), daemon::HandoverError);
    std::vector<HandedAttempt> taken = take_attempts(good, handover_); // nothing of it was used up
    ASSERT_EQ(taken.size(), 1u);
    resume(std::move(taken[0]));
    EXPECT_TRUE(children_of(::getpid()).empty());
}

} // namespace
} // namespace belay::jobs
