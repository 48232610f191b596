#include "handed_run_fixture.hpp"

namespace belay::jobs {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Stop = AttemptRunner::Stop;

/** Shells that die of SIGTERM at once, and what they leave behind in the middle of its own cleaning up. */
class KillGraceTest : public HandedRunTest {
protected:
    /** On SIGTERM it waits until the shell that started it is gone, and then for make("go"): in a session of its own,
     *  which nobody is to disturb either.  In the end it says "cleaned up". */
    [[nodiscard]] std::string cleaning() const
    {
        return "trap 'echo got TERM; "
               "while grep -q \"^PPid:.$PPID\\$\" /proc/$$/status; do sleep 0.01; done; echo orphaned; "
               "setsid -w sh -c \"" +
               wait_for("go") + "\" && echo cleaned up; exit' TERM; echo ready $$; while :; do sleep 0.01; done";
    }

    /** `script` with $CHILD in its environment. */
    static AttemptSpec leader(const std::string& script, const std::string& child)
    {
        AttemptSpec spec = shell(script);
        spec.environment.emplace_back("CHILD", child);
        return spec;
    }

    /** Whether the child has been left alone with its cleaning up. */
    static bool orphaned(AttemptRunner& attempt)
    {
        return attempt.output().out.text.find("orphaned") != std::string::npos;
    }

    /** Runs on, and lets the child finish as soon as it is alone. */
    AttemptResult finish(AttemptRunner& attempt)
    {
        return run(attempt, [this](AttemptRunner& running) {
            if (orphaned(running))
                make("go");
        });
    }

    static void expect_cleaned_up(const AttemptResult& result)
    {
        EXPECT_EQ(result.signal, SIGTERM) << "of the leader";
        EXPECT_EQ(result.out.text.substr(result.out.text.find('\n') + 1), "got TERM\norphaned\ncleaned up\n")
            << result.err.text;
        EXPECT_TRUE(children_of(::getpid()).empty());
    }

    static pid_t pid_of_child(const LiveOutput& output) { return std::stoi(output.out.text.substr(6)); } // "ready PID"
};

const std::string in_foreground = R"(sh -c "$CHILD"; true)";
const std::string in_own_session = R"(setsid -w sh -c "$CHILD"; true)";

TEST_F(KillGraceTest, AfterATimeout)
{
    for (const std::string& script : {in_foreground, in_own_session}) {
        AttemptSpec spec = leader(script, cleaning());
        spec.timeout = 1h;
        HandedRun handed = start(std::move(spec), written("ready"));
        handed.next_step = Clock::now(); // an hour later
        AttemptRunner attempt{std::move(handed), adopted_, oom_};
        const AttemptResult result = finish(attempt);
        EXPECT_EQ(result.outcome, Outcome::timed_out);
        expect_cleaned_up(result);
        std::filesystem::remove(path("go"));
    }
}

TEST_F(KillGraceTest, AfterAStop)
{
    for (const std::string& script : {in_foreground, in_own_session})
        for (const Stop why : {Stop::interrupt, Stop::cancel}) {
            AttemptRunner attempt{start(leader(script, cleaning()), written("ready")), adopted_, oom_};
            attempt.stop(why);
            const AttemptResult result = finish(attempt);
            EXPECT_EQ(result.outcome, why == Stop::interrupt ? Outcome::interrupted : Outcome::signalled);
            expect_cleaned_up(result);
            std::filesystem::remove(path("go"));
        }
}

TEST_F(KillGraceTest, OfADaemonWhileTheLeaderLives)
{
    const std::string daemon =
        "trap 'echo got TERM; exit' TERM; touch " + path("up") + "; while :; do sleep 0.01; done";
    const std::string script =
        R"(trap : TERM; (setsid sh -c "$CHILD" &); )" + wait_for("up") + "echo ready; while :; do sleep 0.01; done";
    AttemptRunner attempt{start(leader(script, daemon), written("ready")), adopted_, oom_};
    attempt.stop(Stop::interrupt);
    const AttemptResult result = run(attempt, [](AttemptRunner& running) {
        if (running.output().out.text.find("got TERM") != std::string::npos)
            running.kill(Stop::interrupt); // the leader goes on and on
    });
    EXPECT_EQ(result.signal, SIGKILL);
    EXPECT_EQ(result.out.text, "ready\ngot TERM\n");
}

TEST_F(KillGraceTest, EndsWithKill)
{
    for (const std::string& script : {in_foreground, in_own_session}) {
        AttemptSpec spec = leader(script, "trap '' TERM; echo ready $$; while :; do sleep 0.01; done");
        spec.kill_grace = 300ms;
        AttemptRunner attempt{start(std::move(spec), written("ready")), adopted_, oom_};
        const pid_t child = pid_of_child(attempt.output());
        const Clock::time_point stopped = Clock::now();
        attempt.stop(Stop::interrupt);
        const AttemptResult result = run(attempt);
        EXPECT_GE(Clock::now() - stopped, 300ms);
        EXPECT_EQ(result.signal, SIGTERM);
        EXPECT_FALSE(is_alive(child));
        EXPECT_TRUE(children_of(::getpid()).empty());
    }
}

TEST_F(KillGraceTest, IsCutShortByKill)
{
    AttemptRunner attempt{start(leader(in_foreground, cleaning()), written("ready")), adopted_, oom_};
    const Clock::time_point stopped = Clock::now();
    attempt.stop(Stop::interrupt);
    const AttemptResult result = run(attempt, [](AttemptRunner& running) {
        if (orphaned(running))
            running.kill(Stop::interrupt);
    });
    EXPECT_LT(Clock::now() - stopped, 30s) << "kill_grace: a minute";
    EXPECT_EQ(result.outcome, Outcome::interrupted);
    EXPECT_EQ(result.out.text.find("cleaned up"), std::string::npos);
    EXPECT_TRUE(children_of(::getpid()).empty());
}

TEST_F(KillGraceTest, IsNotForWhatAnEndOfItsOwnLeaves)
{
    AttemptSpec spec = leader(R"(sh -c "$CHILD" & )" + wait_for("up"), // kill_grace: a minute
        "trap 'echo got TERM' TERM; touch " + path("up") + "; while :; do sleep 0.01; done");
    const Clock::time_point started = Clock::now();
    const AttemptResult result = run(std::move(spec));
    EXPECT_LT(Clock::now() - started, 30s);
    EXPECT_EQ(result.outcome, Outcome::succeeded);
    EXPECT_EQ(result.out.text, "");
    EXPECT_TRUE(children_of(::getpid()).empty());
}

TEST_F(KillGraceTest, IsNotForOtherAttempts)
{
    const std::string script = R"((setsid sh -c 'echo ready $$; exec sleep 1000' &); exec sleep 1000)";
    AttemptRunner other{start(shell(script), written("ready")), adopted_, oom_};
    const pid_t daemon_of_other = pid_of_child(other.output());
    AttemptRunner attempt{start(shell(script), written("ready")), adopted_, oom_};
    const pid_t daemon = pid_of_child(attempt.output());
    attempt.stop(Stop::interrupt);
    EXPECT_EQ(run(attempt).outcome, Outcome::interrupted);
    EXPECT_FALSE(is_alive(daemon));
    EXPECT_TRUE(is_alive(daemon_of_other));
    other.stop(Stop::interrupt);
    EXPECT_EQ(run(other).outcome, Outcome::interrupted);
    EXPECT_FALSE(is_alive(daemon_of_other));
}

TEST_F(KillGraceTest, GoesOnInOtherHands)
{
    AttemptRunner first{start(leader(in_foreground, cleaning()), written("ready")), adopted_, oom_};
    first.stop(Stop::interrupt);
    AttemptRunner second{let_go(first, orphaned), adopted_, oom_};
    const AttemptResult result = finish(second);
    EXPECT_EQ(result.outcome, Outcome::interrupted);
    expect_cleaned_up(result);
}

TEST_F(KillGraceTest, IsOverInOtherHandsWhenItWouldHaveBeen)
{
    AttemptRunner first{start(leader(in_foreground, cleaning()), written("ready")), adopted_, oom_};
    first.stop(Stop::interrupt);
    HandedRun handed = let_go(first, orphaned);
    handed.next_step = Clock::now(); // kill_grace, a minute, is over
    const AttemptResult result = resume(std::move(handed));
    EXPECT_EQ(result.outcome, Outcome::interrupted);
    EXPECT_EQ(result.out.text.find("cleaned up"), std::string::npos);
    EXPECT_TRUE(children_of(::getpid()).empty());
}

} // namespace
} // namespace belay::jobs
