#include "handed_run_fixture.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace belay::jobs {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

TEST_F(HandedRunTest, ReportsExitStatusAndTimesAsIfNothingHadHappened)
{
    const Time before = now();
    HandedRun handed = start(shell("echo ready; " + wait_for("go") + "exit 7"), written("ready"));
    EXPECT_LE(before, handed.started);
    const Time started = handed.started;
    make("go");
    const AttemptResult result = resume(std::move(handed));
    EXPECT_EQ(result.outcome, Outcome::exited);
    EXPECT_EQ(result.exit_status, 7);
    EXPECT_EQ(result.started, started);
    EXPECT_GE(result.finished, started);
    EXPECT_TRUE(children_of(::getpid()).empty());
}

TEST_F(HandedRunTest, ReportsTheTerminatingSignal)
{
    HandedRun handed = start(shell("echo ready; " + wait_for("go") + "kill -HUP $$"), written("ready"));
    make("go");
    const AttemptResult result = resume(std::move(handed));
    EXPECT_EQ(result.outcome, Outcome::signalled);
    EXPECT_EQ(result.signal, SIGHUP);
}

TEST_F(HandedRunTest, KeepsTheOutputByteForByte)
{
    const auto write = [this](int bytes) {
        const std::string random = "head -c " + std::to_string(bytes) + " /dev/urandom | tee -a ";
        return random + path("out") + "; " + random + path("err") + " >&2; ";
    };
    AttemptSpec spec = shell(write(30000) + wait_for("go") + // nobody reads now
                             write(60000) + "touch " + path("across") + "; " + write(200000));
    HandedRun handed = start(std::move(spec), [](const AttemptRunner& attempt) {
        return attempt.output().out.text.size() == 30000 && attempt.output().err.text.size() == 30000;
    });
    make("go");
    ASSERT_TRUE(waits_until([this] { return exists("across"); }));
    EXPECT_EQ(handed.out.captured.text, content("out").substr(0, 30000));
    const AttemptResult result = resume(std::move(handed));
    EXPECT_EQ(result.outcome, Outcome::succeeded);
    EXPECT_EQ(result.out.text.size(), 290000u);
    EXPECT_TRUE(result.out.text == content("out"));
    EXPECT_TRUE(result.err.text == content("err"));
    EXPECT_EQ(result.out.dropped + result.err.dropped, 0u);
}

TEST_F(HandedRunTest, CountsWhatIsDroppedAcrossTheLimit)
{
    for (const unsigned before : {500u, 1000u, 1500u}) {
        const std::string go = "go" + std::to_string(before);
        AttemptSpec spec = shell("head -c " + std::to_string(before) + " /dev/zero | tr '\\0' x; " + wait_for(go) +
                                 "head -c 2000 /dev/zero | tr '\\0' y");
        spec.output_limit = 1000;
        HandedRun handed = start(std::move(spec), [before](const AttemptRunner& attempt) {
            const Captured out = attempt.output().out;
            return out.text.size() + out.dropped == before;
        });
        make(go);
        const AttemptResult result = resume(std::move(handed));
        const unsigned kept = std::min(before, 1000u);
        EXPECT_EQ(result.out.text, std::string(kept, 'x') + std::string(1000 - kept, 'y'));
        EXPECT_EQ(result.out.dropped, before + 2000 - 1000);
    }
}

TEST_F(HandedRunTest, ShowsTheOutputOfBeforeAndOfNow)
{
    HandedRun handed =
        start(shell("echo before; " + wait_for("go") + "echo after; exec sleep 1000"), written("before"));
    AttemptRunner attempt{std::move(handed), adopted_, oom_};
    EXPECT_EQ(attempt.output().out.text, "before\n");
    make("go");
    const AttemptResult result = run(attempt, [](AttemptRunner& running) {
        if (running.output().out.text == "before\nafter\n")
            running.kill(AttemptRunner::Stop::interrupt);
    });
    EXPECT_EQ(result.outcome, Outcome::interrupted);
    EXPECT_EQ(result.out.text, "before\nafter\n");
}

TEST_F(HandedRunTest, AStreamThatHasEndedHasNoDescriptor)
{
    AttemptSpec spec = shell("echo last; exec >&-; touch " + path("closed") + "; " + wait_for("go") + "echo more >&2");
    HandedRun before = start(std::move(spec), written("last"));
    EXPECT_TRUE(before.out.pipe);
    ASSERT_TRUE(waits_until([this] { return exists("closed"); }));
    AttemptRunner attempt{std::move(before), adopted_, oom_};
    HandedRun handed =
        let_go(attempt, [turns = 0](AttemptRunner&) mutable { return turns++ == 2; }); // to start, and to see the end
    EXPECT_FALSE(handed.out.pipe);
    EXPECT_TRUE(handed.err.pipe);
    make("go");
    const AttemptResult result = resume(std::move(handed));
    EXPECT_EQ(result.outcome, Outcome::succeeded);
    EXPECT_EQ(result.out.text, "last\n");
    EXPECT_EQ(result.err.text, "more\n");
}

TEST_F(HandedRunTest, TheTimeoutKeepsItsTime)
{
    AttemptSpec spec = shell("trap 'echo terminated; exit 0' TERM; echo ready; while :; do sleep 0.01; done");
    spec.timeout = 1h;
    const Clock::time_point before = Clock::now();
    HandedRun handed = start(std::move(spec), written("ready"));
    EXPECT_GE(handed.next_step, before + 1h);
    EXPECT_LE(handed.next_step, Clock::now() + 1h);
    handed.next_step = Clock::now(); // an hour later
    const AttemptResult result = resume(std::move(handed));
    EXPECT_EQ(result.outcome, Outcome::timed_out);
    EXPECT_EQ(result.detail, "ran longer than 1h");
    EXPECT_EQ(result.out.text, "ready\nterminated\n");
}

TEST_F(HandedRunTest, WhatIsBeingEndedStaysSo)
{
    const auto interrupt = [](AttemptRunner& attempt) { attempt.stop(AttemptRunner::Stop::interrupt); };
    HandedRun handed =
        start(shell("trap 'echo no' TERM; echo ready; while :; do sleep 0.01; done"), written("ready"), interrupt);
    EXPECT_EQ(handed.ended_by, EndedBy::interrupt);
    handed.next_step = Clock::now(); // kill_grace, a minute, is over
    const AttemptResult result = resume(std::move(handed));
    EXPECT_EQ(result.outcome, Outcome::interrupted);
    EXPECT_EQ(result.signal, SIGKILL);
}

TEST_F(HandedRunTest, WhatIsBeingKilledStaysSo)
{
    const auto cancel = [](AttemptRunner& attempt) { attempt.kill(AttemptRunner::Stop::cancel); };
    const AttemptResult result = resume(start(shell("echo ready; exec sleep 1000"), written("ready"), cancel));
    EXPECT_EQ(result.outcome, Outcome::signalled);
    EXPECT_EQ(result.detail, "cancelled");
}

TEST_F(HandedRunTest, CanBeStoppedAfterwards)
{
    using Stop = AttemptRunner::Stop;
    for (const Stop why : {Stop::interrupt, Stop::cancel})
        for (const bool before_it_runs : {false, true}) {
            AttemptRunner attempt{start(shell("echo ready; exec sleep 1000"), written("ready")), adopted_, oom_};
            if (before_it_runs)
                attempt.stop(why);
            const AttemptResult result = run(attempt, [why](AttemptRunner& running) { running.stop(why); });
            EXPECT_EQ(result.outcome, why == Stop::interrupt ? Outcome::interrupted : Outcome::signalled);
            EXPECT_EQ(result.signal, SIGTERM);
            EXPECT_EQ(result.out.text, "ready\n");
        }
}

TEST_F(HandedRunTest, MayEndWhileNobodyHasIt)
{
    HandedRun handed = start(shell("echo ready; " + wait_for("go") + "echo last words; exit 3"), written("ready"));
    make("go");
    ASSERT_TRUE(waits_until([&] { return handed.child.ended().has_value(); }));
    handed.next_step = Clock::now(); // it ended on its own, though its time is up now
    AttemptRunner attempt{std::move(handed), adopted_, oom_};
    EXPECT_EQ(adopted_.reap(), 0u); // not the leader's status
    attempt.stop(AttemptRunner::Stop::cancel);
    const AttemptResult result = run(attempt);
    EXPECT_EQ(result.outcome, Outcome::exited);
    EXPECT_EQ(result.exit_status, 3);
    EXPECT_EQ(result.out.text, "ready\nlast words\n");
}

TEST_F(HandedRunTest, WhoLetGoOfItDoesNotReapIt)
{
    AttemptRunner attempt{shell("echo ready; " + wait_for("go") + "exit 3"), adopted_, oom_};
    HandedRun handed = let_go(attempt, written("ready"));
    make("go");
    ASSERT_TRUE(waits_until([&] { return handed.child.ended().has_value(); }));
    EXPECT_EQ(adopted_.reap(), 0u);
    EXPECT_TRUE(adopted_.strays().empty());
    EXPECT_EQ(resume(std::move(handed)).exit_status, 3);
}

/** A descendant in a session of its own, its pid on stdout. */
constexpr const char* escape = "setsid sleep 1000 </dev/null >/dev/null 2>&1 & echo $! ready; ";

TEST_F(HandedRunTest, FindsWhatEscapedBefore)
{
    HandedRun handed = start(shell(escape + wait_for("go")), written("ready"));
    HandedRun other = start(shell(escape + wait_for("go too")), written("ready"));
    const pid_t escaped = std::stoi(handed.out.captured.text);
    const pid_t not_ours = std::stoi(other.out.captured.text);
    AttemptRunner second{std::move(other), adopted_, oom_};
    make("go");
    EXPECT_EQ(resume(std::move(handed)).outcome, Outcome::succeeded);
    EXPECT_FALSE(is_alive(escaped));
    EXPECT_TRUE(is_alive(not_ours));
    second.kill(AttemptRunner::Stop::interrupt);
    run(second);
    EXPECT_FALSE(is_alive(not_ours));
    EXPECT_TRUE(children_of(::getpid()).empty());
}

TEST_F(HandedRunTest, CleansUpWhatItsFirstRunnerHadBegunToCleanUp)
{
    HandedRun handed = start(shell("(trap '' TERM; while :; do sleep 0.01; done) & echo ready"),
        [turns = 0](AttemptRunner& attempt) mutable {
            const auto children = children_of(::getpid()); // the leader, a zombie, and what it left
            return attempt.output().out.text == "ready\n" && children.size() == 2 && ++turns == 4;
        });
    EXPECT_TRUE(handed.child.ended());
    const AttemptResult result = resume(std::move(handed));
    EXPECT_EQ(result.outcome, Outcome::succeeded);
    EXPECT_TRUE(children_of(::getpid()).empty());
}

TEST_F(HandedRunTest, TellsAKillForWantOfMemoryAfterwards)
{
    std::ofstream{path("memory.events")} << "oom_kill 7\n";
    oom_ = OomEvents{path("memory.events")};
    HandedRun handed =
        start(shell("echo ready; " + wait_for("go") + "echo oom_kill 8 >" + path("memory.events") + "; kill -9 $$"),
            written("ready"));
    make("go");
    EXPECT_EQ(resume(std::move(handed)).outcome, Outcome::oom);
}

TEST_F(HandedRunTest, MayChangeHandsManyTimes)
{
    std::optional<HandedRun> handed = start(shell("echo ready; " + wait_for("go") + "exit 5"), written("ready"));
    for (int i = 0; i < 3; ++i) {
        AttemptRunner unused{std::move(*handed), adopted_, oom_};
        std::optional<HandedRun> again = unused.hand_over(); // without having run
        ASSERT_TRUE(again);
        EXPECT_FALSE(unused.hand_over());
        AttemptRunner used{std::move(*again), adopted_, oom_};
        handed.emplace(let_go(used, written("ready")));
    }
    make("go");
    const AttemptResult result = resume(std::move(*handed));
    EXPECT_EQ(result.exit_status, 5);
    EXPECT_EQ(result.out.text, "ready\n");
}

TEST_F(HandedRunTest, IsOnlyOfWhatRuns)
{
    AttemptRunner attempt{shell("exit 0"), adopted_, oom_};
    EXPECT_FALSE(attempt.hand_over()) << "not started";
    EXPECT_EQ(run(attempt).outcome, Outcome::succeeded);
    EXPECT_FALSE(attempt.hand_over()) << "ended";
}

TEST_F(HandedRunTest, LeavesNoDescriptorAndNoChild)
{
    const auto descriptors = [] {
        return std::distance(
            std::filesystem::directory_iterator{"/proc/self/fd"}, std::filesystem::directory_iterator{});
    };
    run(shell("exit 0")); // what the loops themselves open is open from here on
    (void)start(shell("echo ready; exec sleep 1000"), written("ready"));
    const auto before = descriptors();
    for (int i = 0; i < 20; ++i) {
        HandedRun handed = start(shell("echo ready; sleep 1000 & wait"), written("ready"));
        AttemptRunner attempt{std::move(handed), adopted_, oom_};
        attempt.stop(AttemptRunner::Stop::cancel);
        run(attempt);
        (void)start(shell("echo ready; sleep 1000 & wait"), written("ready")); // destroyed: that ends it
    }
    EXPECT_EQ(descriptors(), before);
    EXPECT_TRUE(waits_until([this] { return adopted_left() == 0; }));
    EXPECT_TRUE(children_of(::getpid()).empty());
}

} // namespace
} // namespace belay::jobs
