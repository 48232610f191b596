#include "attempt_fixture.hpp"
#include "belayd/jobs/attempt_runner.hpp"
#include "belayd/jobs/processes.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace belay::jobs {
namespace {

using namespace std::chrono_literals;

std::vector<std::string> lines_of(const std::string& text, std::string_view prefix)
{
    std::vector<std::string> lines;
    std::istringstream stream{text};
    for (std::string line; std::getline(stream, line);)
        if (line.starts_with(prefix))
            lines.push_back(line.substr(prefix.size()));
    return lines;
}

std::vector<pid_t> processes_of(const Uuid& job)
{
    return find_processes([&job](pid_t pid) { return job_of(pid).job == job; });
}

/** Calls `act` once, as soon as the attempt has written `text`. */
std::function<void(AttemptRunner&)> when_written(std::string text, std::function<void(AttemptRunner&)> act)
{
    return [text = std::move(text), act = std::move(act), done = false](AttemptRunner& attempt) mutable {
        if (!done && attempt.output().out.text.find(text) != std::string::npos) {
            done = true;
            act(attempt);
        }
    };
}

class AttemptRunnerTest : public AttemptTest {};

TEST_F(AttemptRunnerTest, ReportsSuccessAndBothStreams)
{
    const Time before = now();
    const AttemptResult result = run(shell("echo to stdout; echo to stderr >&2"));
    EXPECT_EQ(result.outcome, Outcome::succeeded);
    EXPECT_EQ(result.out.text, "to stdout\n");
    EXPECT_EQ(result.err.text, "to stderr\n");
    EXPECT_EQ(result.out.dropped, 0u);
    EXPECT_EQ(result.detail, "");
    EXPECT_LE(before, result.started);
    EXPECT_LE(result.started, result.finished);
}

TEST_F(AttemptRunnerTest, ReportsTheExitStatus)
{
    for (const int status : {1, 2, 127, 255}) {
        const AttemptResult result = run(shell("exit " + std::to_string(status)));
        EXPECT_EQ(result.outcome, Outcome::exited);
        EXPECT_EQ(result.exit_status, status);
        EXPECT_EQ(result.signal, 0);
    }
}

TEST_F(AttemptRunnerTest, ReportsTheTerminatingSignal)
{
    for (const int signal : {SIGTERM, SIGKILL, SIGHUP, SIGPIPE, SIGXFSZ}) {
        const AttemptResult result = run(shell("ulimit -c 0; kill -" + std::to_string(signal) + " $$"));
        EXPECT_EQ(result.outcome, Outcome::signalled) << signal;
        EXPECT_EQ(result.signal, signal);
        EXPECT_EQ(result.exit_status, 0);
    }
}

TEST_F(AttemptRunnerTest, TellsAKillForWantOfMemoryByTheCounterOfItsCgroup)
{
    const std::filesystem::path file =
        std::filesystem::path{::testing::TempDir()} / ("memory.events." + std::to_string(::getpid()));
    std::ofstream{file} << "low 0\noom 7\noom_kill 7\n";
    oom_ = OomEvents{file};
    AttemptResult result = run(shell("printf 'low 0\\noom 8\\noom_kill 8\\n' > " + file.string() + "; kill -9 $$"));
    EXPECT_EQ(result.outcome, Outcome::oom);
    result = run(shell("kill -9 $$"));
    EXPECT_EQ(result.outcome, Outcome::signalled);
    result = run(shell("printf 'low 0\\noom 9\\noom_kill 9\\n' > " + file.string() + "; exit 1"));
    EXPECT_EQ(result.outcome, Outcome::exited);
    std::filesystem::remove(file);
}

TEST_F(AttemptRunnerTest, TimesOutWithTermWhereTheCommandObeys)
{
    AttemptSpec spec = shell("trap 'echo terminated; exit 0' TERM; echo ready; while :; do sleep 0.01; done");
    spec.timeout = 1s;
    const AttemptResult result = run(std::move(spec));
    EXPECT_EQ(result.outcome, Outcome::timed_out);
    EXPECT_EQ(result.detail, "ran longer than 1s");
    EXPECT_NE(result.out.text.find("terminated"), std::string::npos);
}

TEST_F(AttemptRunnerTest, TimesOutWithKillWhereTheCommandIgnoresTerm)
{
    AttemptSpec spec = shell("trap '' TERM; echo ready; sleep 1000 & wait; sleep 1000");
    const Uuid job = spec.job;
    spec.timeout = 1s;
    spec.kill_grace = 200ms;
    const auto started = std::chrono::steady_clock::now();
    const AttemptResult result = run(std::move(spec));
    EXPECT_EQ(result.outcome, Outcome::timed_out);
    EXPECT_EQ(result.signal, SIGKILL);
    EXPECT_GE(std::chrono::steady_clock::now() - started, 1200ms);
    EXPECT_TRUE(processes_of(job).empty());
}

TEST_F(AttemptRunnerTest, ReachesAStoppedCommandWithTerm)
{
    AttemptSpec spec = shell("kill -STOP $$");
    spec.timeout = 100ms;
    const AttemptResult result = run(std::move(spec));
    EXPECT_EQ(result.outcome, Outcome::timed_out);
    EXPECT_EQ(result.signal, SIGTERM);
}

TEST_F(AttemptRunnerTest, KillsBackgroundProcessesOfACommandThatSucceeded)
{
    AttemptSpec spec = shell("sleep 1000 & echo $!; exit 0"); // it holds the pipes as well
    const AttemptResult result = run(std::move(spec));
    EXPECT_EQ(result.outcome, Outcome::succeeded);
    ASSERT_FALSE(result.out.text.empty());
    EXPECT_FALSE(is_alive(std::stoi(result.out.text)));
    EXPECT_EQ(adopted_left(), 0u);
}

// A daemon as they are written: double fork, a session of its own, other descriptors, TERM ignored.
constexpr const char* daemonise = R"(exec python3 -c '
import os, signal, sys, time
r, w = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        null = os.open("/dev/null", os.O_RDWR)
        for fd in 0, 1, 2:
            os.dup2(null, fd)
        os.write(w, str(os.getpid()).encode())
        DAEMON
    os._exit(0)
print(os.read(r, 99).decode(), flush=True)
LEADER
')";

/** Python: what the leader does once the daemon runs, and what the daemon does. */
std::string daemonising(const std::string& leader, const std::string& daemon = "time.sleep(1000)")
{
    std::string script = daemonise;
    script.replace(script.find("DAEMON"), 6, daemon);
    return script.replace(script.find("LEADER"), 6, leader);
}

TEST_F(AttemptRunnerTest, KillsWhatDaemonised)
{
    const AttemptResult result = run(shell(daemonising("")));
    EXPECT_EQ(result.outcome, Outcome::succeeded) << result.err.text;
    ASSERT_FALSE(result.out.text.empty());
    EXPECT_FALSE(is_alive(std::stoi(result.out.text)));
    EXPECT_EQ(adopted_left(), 0u);
}

TEST_F(AttemptRunnerTest, KillsWhatDaemonisedWhenTimeIsUp)
{
    AttemptSpec spec = shell(daemonising("time.sleep(1000)"));
    const Uuid job = spec.job;
    spec.timeout = 500ms;
    spec.kill_grace = 100ms; // the daemon ignores TERM
    const AttemptResult result = run(std::move(spec));
    EXPECT_EQ(result.outcome, Outcome::timed_out);
    EXPECT_TRUE(processes_of(job).empty());
    EXPECT_EQ(adopted_left(), 0u);
}

TEST_F(AttemptRunnerTest, KillsADaemonWithoutEnvironmentSinceNobodyElseCanHaveStartedIt)
{
    const AttemptResult result = run(shell(daemonising("", R"(os.execve("/bin/sleep", ["sleep", "1000"], {}))")));
    EXPECT_EQ(result.outcome, Outcome::succeeded) << result.err.text;
    ASSERT_FALSE(result.out.text.empty());
    EXPECT_FALSE(is_alive(std::stoi(result.out.text)));
    EXPECT_EQ(adopted_left(), 0u);
}

TEST_F(AttemptRunnerTest, LeavesTheProcessesOfOtherAttemptsAlone)
{
    AttemptSpec other = shell(daemonising("time.sleep(1000)"));
    AttemptRunner long_one{other, adopted_, oom_};
    std::optional<AttemptResult> ended;
    asio::co_spawn(
        io_, long_one.run(), [&](std::exception_ptr, std::optional<AttemptResult> r) { ended = std::move(r); });
    while (long_one.output().out.text.find('\n') == std::string::npos)
        ASSERT_GT(io_.run_one_for(60s), 0u);
    const pid_t daemon_of_other = std::stoi(long_one.output().out.text);
    while (adopted_left() != 1) // it writes before its parent has ended
        ASSERT_FALSE(ended);

    std::optional<AttemptResult> second;
    AttemptRunner short_one{shell(daemonising("")), adopted_, oom_};
    asio::co_spawn(
        io_, short_one.run(), [&](std::exception_ptr, std::optional<AttemptResult> r) { second = std::move(r); });
    while (!second)
        ASSERT_GT(io_.run_one_for(60s), 0u);
    EXPECT_FALSE(is_alive(std::stoi(second->out.text)));
    EXPECT_TRUE(is_alive(daemon_of_other));
    EXPECT_FALSE(ended);

    long_one.kill(AttemptRunner::Stop::interrupt);
    io_.run();
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->outcome, Outcome::interrupted);
    EXPECT_FALSE(is_alive(daemon_of_other));
}

TEST_F(AttemptRunnerTest, GivesAWriterInTheBackgroundTimeForItsLastLines)
{
    const AttemptResult result = run(shell("(sleep 0.05; echo last line) & exit 0"));
    EXPECT_EQ(result.outcome, Outcome::succeeded);
    EXPECT_EQ(result.out.text, "last line\n");
}

TEST_F(AttemptRunnerTest, KeepsTheFirstBytesAndCountsTheRest)
{
    for (const unsigned size : {999u, 1000u, 1001u}) {
        AttemptSpec spec = shell("head -c " + std::to_string(size) + " /dev/zero | tr '\\0' x; printf error >&2");
        spec.output_limit = 1000;
        const AttemptResult result = run(std::move(spec));
        EXPECT_EQ(result.out.text, std::string(std::min(size, 1000u), 'x'));
        EXPECT_EQ(result.out.dropped, size - std::min(size, 1000u));
        EXPECT_EQ(result.err.text, "error");
    }
}

TEST_F(AttemptRunnerTest, MergesBothStreamsInTheOrderInWhichTheyAreWritten)
{
    AttemptSpec spec = shell("echo 1; echo 2 >&2; echo 3; echo 4 >&2; exit 5");
    spec.merges_output = true;
    const AttemptResult result = run(std::move(spec));
    EXPECT_EQ(result.exit_status, 5);
    EXPECT_EQ(result.out.text, "1\n2\n3\n4\n");
    EXPECT_EQ(result.err.text, "");
}

TEST_F(AttemptRunnerTest, DrainsFarMoreThanItKeeps)
{
    AttemptSpec spec = shell("head -c 104857600 /dev/zero & head -c 104857601 /dev/zero >&2; wait");
    spec.output_limit = 64_KiB;
    const AttemptResult result = run(std::move(spec));
    EXPECT_EQ(result.outcome, Outcome::succeeded);
    EXPECT_EQ(result.out.text.size(), 64_KiB);
    EXPECT_EQ(result.out.dropped, 104857600 - 64_KiB);
    EXPECT_EQ(result.err.text.size(), 64_KiB);
    EXPECT_EQ(result.err.dropped, 104857601 - 64_KiB);
}

TEST_F(AttemptRunnerTest, ReadsWhatThePipeHoldsAtTheEnd)
{
    const AttemptResult result = run(shell("head -c 65536 /dev/zero"));
    EXPECT_EQ(result.out.text.size(), 65536u);
}

TEST_F(AttemptRunnerTest, ShowsTheOutputWhileItRuns)
{
    const AttemptResult result = run(shell("echo first; sleep 1000"), when_written("first", [](AttemptRunner& attempt) {
        EXPECT_EQ(attempt.output().out.text, "first\n");
        attempt.kill(AttemptRunner::Stop::interrupt);
    }));
    EXPECT_EQ(result.outcome, Outcome::interrupted);
}

TEST_F(AttemptRunnerTest, PassesTheInputWhole)
{
    AttemptSpec spec = shell("cat; cat /dev/stdin | wc -c >&2");
    spec.input.assign(1_MiB, 'i');
    spec.output_limit = 2_MiB;
    const AttemptResult result = run(std::move(spec));
    EXPECT_EQ(result.out.text, std::string(1_MiB, 'i'));
    EXPECT_EQ(result.err.text, "1048576\n"); // opened again: from the start
}

TEST_F(AttemptRunnerTest, DoesNotMindInputThatIsNotRead)
{
    AttemptSpec spec = shell("exit 0");
    spec.input.assign(1_MiB, 'i');
    EXPECT_EQ(run(std::move(spec)).outcome, Outcome::succeeded);
}

TEST_F(AttemptRunnerTest, InterruptsWithTerm)
{
    const AttemptResult result = run(shell("echo ready; exec sleep 1000"),
        when_written("ready", [](AttemptRunner& attempt) { attempt.stop(AttemptRunner::Stop::interrupt); }));
    EXPECT_EQ(result.outcome, Outcome::interrupted);
    EXPECT_EQ(result.signal, SIGTERM);
}

TEST_F(AttemptRunnerTest, InterruptsWithKillAfterTheGrace)
{
    AttemptSpec spec = shell("trap '' TERM; echo ready; while :; do sleep 1; done");
    spec.kill_grace = 100ms;
    const AttemptResult result = run(std::move(spec),
        when_written("ready", [](AttemptRunner& attempt) { attempt.stop(AttemptRunner::Stop::interrupt); }));
    EXPECT_EQ(result.outcome, Outcome::interrupted);
    EXPECT_EQ(result.signal, SIGKILL);
}

TEST_F(AttemptRunnerTest, KillsAtOnceWhatIsBeingInterrupted)
{
    const AttemptResult result = run(
        shell("trap '' TERM; echo ready; while :; do sleep 1; done"), when_written("ready", [](AttemptRunner& attempt) {
            attempt.stop(AttemptRunner::Stop::interrupt); // kill_grace: a minute
            attempt.kill(AttemptRunner::Stop::interrupt);
        }));
    EXPECT_EQ(result.outcome, Outcome::interrupted);
    EXPECT_EQ(result.signal, SIGKILL);
}

TEST_F(AttemptRunnerTest, CancelledMeansSignalledWhateverTheCommandMakesOfIt)
{
    const AttemptResult result = run(shell("trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done"),
        when_written("ready", [](AttemptRunner& attempt) { attempt.stop(AttemptRunner::Stop::cancel); }));
    EXPECT_EQ(result.outcome, Outcome::signalled);
    EXPECT_EQ(result.signal, SIGTERM);
    EXPECT_EQ(result.exit_status, 0);
}

TEST_F(AttemptRunnerTest, StoppedBeforeItStartsItNeverStarts)
{
    const std::filesystem::path file =
        std::filesystem::path{::testing::TempDir()} / ("ran." + std::to_string(::getpid()));
    AttemptRunner attempt{shell("touch " + file.string()), adopted_, oom_};
    attempt.stop(AttemptRunner::Stop::interrupt);
    std::optional<AttemptResult> result;
    asio::co_spawn(
        io_, attempt.run(), [&](std::exception_ptr, std::optional<AttemptResult> r) { result = std::move(r); });
    io_.run();
    ASSERT_TRUE(result);
    EXPECT_EQ(result->outcome, Outcome::interrupted);
    EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(AttemptRunnerTest, LeavesNoDescriptorAndNoChild)
{
    const auto count = [] {
        return std::distance(
            std::filesystem::directory_iterator{"/proc/self/fd"}, std::filesystem::directory_iterator{});
    };
    run(shell("exit 0"));
    const auto before = count();
    for (int i = 0; i < 20; ++i)
        run(shell("sleep 1000 >/dev/null 2>&1 & exit 1"));
    AttemptSpec missing = shell("");
    missing.arguments = {"/nowhere/command"};
    run(std::move(missing));
    EXPECT_EQ(count(), before);
    EXPECT_TRUE(children_of(::getpid()).empty());
}

// What the command is started with.

TEST_F(AttemptRunnerTest, StartsTheCommandClean)
{
    const int leaked = ::open("/dev/null", O_RDONLY); // without O_CLOEXEC, as Asio's sockets are
    ASSERT_GE(leaked, 3);
    struct sigaction ignore{};
    ignore.sa_handler = SIG_IGN;
    struct sigaction pipe_before{};
    struct sigaction size_before{};
    ::sigaction(SIGPIPE, &ignore, &pipe_before);
    ::sigaction(SIGXFSZ, &ignore, &size_before);
    sigset_t blocked;
    sigset_t mask_before;
    ::sigfillset(&blocked);
    ::pthread_sigmask(SIG_BLOCK, &blocked, &mask_before);
    std::thread{[] {}}.join(); // glibc has installed its own handlers

    AttemptSpec spec = shell("");
    spec.arguments = {SHOW_PROCESS, "", "two words", "$(id)", "-rf"};
    spec.environment = {{"A", "1"}, {"B", ""}, {"C", "x=y\nz"}};
    spec.directory = "/usr/bin";
    const AttemptResult result = run(std::move(spec));

    ::pthread_sigmask(SIG_SETMASK, &mask_before, nullptr);
    ::sigaction(SIGPIPE, &pipe_before, nullptr);
    ::sigaction(SIGXFSZ, &size_before, nullptr);
    ::close(leaked);

    const std::string& text = result.out.text;
    EXPECT_EQ(lines_of(text, "descriptors "), std::vector<std::string>{"0 1 2"});
    EXPECT_EQ(lines_of(text, "SigBlk:\t"), std::vector<std::string>{"0000000000000000"});
    EXPECT_EQ(lines_of(text, "SigIgn:\t"), std::vector<std::string>{"0000000000000000"});
    EXPECT_EQ(lines_of(text, "directory "), std::vector<std::string>{"/usr/bin"});
    EXPECT_EQ(lines_of(text, "leads_group "), std::vector<std::string>{"1"});
    EXPECT_EQ(lines_of(text, "argument "), (std::vector<std::string>{SHOW_PROCESS, "", "two words", "$(id)", "-rf"}));
    EXPECT_EQ(lines_of(text, "environment "), (std::vector<std::string>{"A=1", "B=", "C=x=y"}));
}

TEST_F(AttemptRunnerTest, WithoutADirectoryRunsInTheRoot)
{
    EXPECT_EQ(run(shell("pwd")).out.text, "/\n");
}

TEST_F(AttemptRunnerTest, ACommandThatCannotBeExecutedIsAnOutcome)
{
    const std::filesystem::path directory =
        std::filesystem::path{::testing::TempDir()} / ("exec." + std::to_string(::getpid()));
    std::filesystem::create_directory(directory);
    const std::string plain = directory / "plain";
    const std::string text = directory / "text";
    std::ofstream{plain} << "#!/bin/sh\n";
    std::ofstream{text} << "no interpreter\n";
    std::filesystem::permissions(text, std::filesystem::perms::owner_all);

    struct Case {
        std::string command;
        std::string argument;
        std::string directory;
        int status;
        std::string detail;
    };
    const std::vector<Case> cases{
        {"/nowhere/command", "", "/", 127, "cannot execute /nowhere/command: No such file or directory"},
        {plain, "", "/", 126, "cannot execute " + plain + ": Permission denied"},
        {text, "", "/", 126, "cannot execute " + text + ": Exec format error"},
        {"/bin/true", std::string(131'072, 'x'), "/", 126, "cannot execute /bin/true: Argument list too long"},
        {"/bin/true", std::string("a\0b", 3), "/", 126, "cannot execute /bin/true: Invalid argument"},
        {"/bin/true", "", "/nowhere", 127, "cannot enter directory /nowhere: No such file or directory"},
        {"/bin/true", "", plain, 127, "cannot enter directory " + plain + ": Not a directory"},
    };
    for (const Case& c : cases) {
        AttemptSpec spec = shell("");
        spec.arguments = {c.command, c.argument};
        spec.directory = c.directory;
        const AttemptResult result = run(std::move(spec));
        EXPECT_EQ(result.outcome, Outcome::exited) << c.detail;
        EXPECT_EQ(result.exit_status, c.status) << c.detail;
        EXPECT_EQ(result.detail, c.detail);
    }
    AttemptSpec longest = shell("");
    longest.arguments = {"/bin/true", std::string(131'071, 'x')};
    EXPECT_EQ(run(std::move(longest)).outcome, Outcome::succeeded);
    std::filesystem::remove_all(directory);
}

TEST_F(AttemptRunnerTest, AWantOfDescriptorsIsAnErrorAndNothingRuns)
{
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "UndefinedBehaviorSanitizer opens a pipe to look at an exception object";
#endif
    run(shell("exit 0")); // the loop has what it needs
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    std::optional<AttemptResult> result;
    std::exception_ptr error;
    for (rlim_t limit = 3; limit < 64 && !result; ++limit) { // each place where they can run out
        AttemptRunner attempt{shell("exit 0"), adopted_, oom_};
        asio::co_spawn(io_, attempt.run(), [&](std::exception_ptr e, std::optional<AttemptResult> r) {
            if (!e)
                result = std::move(r);
            else
                error = std::move(e);
        });
        const rlimit low{limit, before.rlim_max};
        ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
        io_.restart();
        io_.run();
        ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    }
    ASSERT_TRUE(error);
    EXPECT_THROW(std::rethrow_exception(error), std::system_error);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->outcome, Outcome::succeeded);
    EXPECT_TRUE(children_of(::getpid()).empty());
}

} // namespace
} // namespace belay::jobs
