#include "belayd/jobs/attempt_files.hpp"
#include "handed_run_fixture.hpp"

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <limits>

namespace belay::jobs {
namespace {

namespace fs = std::filesystem;

struct AttemptFilesTest : HandedRunTest {
    [[nodiscard]] std::string root() const { return path("files"); }

    /** A shell command with files, of which it knows by variables. */
    AttemptSpec with_files(std::string script, JobFiles files)
    {
        AttemptSpec spec = shell(std::move(script));
        spec.files_directory = files_directory(root(), spec.job, spec.attempt);
        for (const auto& [name, text] : files)
            spec.environment.emplace_back(name, spec.files_directory + "/" + name);
        spec.files = std::move(files);
        return spec;
    }

    /** Entries of the directory of all attempts' files. */
    [[nodiscard]] std::size_t left() const
    {
        return fs::exists(root()) ? static_cast<std::size_t>(std::distance(fs::directory_iterator{root()}, {})) : 0;
    }

    /** What keeps it from starting. */
    std::string refusal(AttemptSpec spec)
    {
        try {
            (void)run(std::move(spec));
        } catch (const FilesNotWritten& e) {
            return e.what();
        }
        return "";
    }
};

TEST_F(AttemptFilesTest, ACommandFindsThemByItsVariablesAndNobodyAfterItsEnd)
{
    const std::string bytes{"a\0b\n\xff$(id)", 10};
    AttemptSpec spec = with_files("cat \"$TEXT\" \"$EMPTY\" \"$BODY\"; stat -c %a \"$TEXT\" \"$(dirname \"$TEXT\")\"",
        {{"TEXT", bytes}, {"EMPTY", ""}, {"BODY", std::nullopt}});
    spec.input = "the body";
    const AttemptResult result = run(std::move(spec));
    EXPECT_EQ(result.outcome, Outcome::succeeded) << result.err.text;
    EXPECT_EQ(result.out.text, bytes + "the body600\n700\n");
    EXPECT_TRUE(fs::exists(root()));
    EXPECT_EQ(left(), 0U);
}

TEST_F(AttemptFilesTest, LargeOnesAreWhole)
{
    const std::string large = std::string(3 * FileWriter::piece + 17, 'x') + "end";
    AttemptSpec spec = with_files("cat \"$A\" \"$B\" | wc -c; tail -c 3 \"$A\"", {{"A", large}, {"B", std::nullopt}});
    spec.input.assign(FileWriter::piece, 'y');
    EXPECT_EQ(run(std::move(spec)).out.text, std::to_string(large.size() + FileWriter::piece) + "\nend");
    EXPECT_EQ(left(), 0U);
}

TEST_F(AttemptFilesTest, TheyGoHoweverTheAttemptEnds)
{
    EXPECT_EQ(run(with_files("exit 3", {{"A", "a"}})).exit_status, 3);
    EXPECT_EQ(left(), 0U);
    EXPECT_EQ(
        run(with_files("mkdir \"$(dirname $A)/more\"; : > \"$(dirname $A)/more/x\"", {{"A", "a"}})).exit_status, 0);
    EXPECT_EQ(left(), 0U) << "with what the command has put beside them";
    AttemptSpec no_command = with_files("", {{"A", "a"}});
    no_command.arguments = {"/nonexistent"};
    EXPECT_EQ(run(std::move(no_command)).exit_status, 127);
    EXPECT_EQ(left(), 0U);
    AttemptSpec endless = with_files("cat $A; exec sleep 1000", {{"A", "ready"}});
    const AttemptResult killed = run(std::move(endless), [](AttemptRunner& attempt) {
        if (!attempt.output().out.text.empty())
            attempt.kill(AttemptRunner::Stop::interrupt);
    });
    EXPECT_EQ(killed.outcome, Outcome::interrupted);
    EXPECT_EQ(left(), 0U);
}

TEST_F(AttemptFilesTest, OneThatIsStoppedWhileTheyAreWrittenDoesNotStart)
{
    AttemptRunner attempt{
        with_files("touch " + path("ran"), {{"A", std::string(4 * FileWriter::piece, 'x')}}), adopted_, oom_};
    bool stopped = false;
    const AttemptResult result = run(attempt, [&](AttemptRunner& runner) {
        if (!std::exchange(stopped, true)) {
            EXPECT_EQ(left(), 1U) << "they are being written";
            EXPECT_FALSE(runner.hand_over()) << "nothing runs that could be handed over";
            runner.stop(AttemptRunner::Stop::interrupt);
        }
    });
    EXPECT_EQ(result.outcome, Outcome::interrupted);
    EXPECT_EQ(left(), 0U);
    EXPECT_FALSE(exists("ran"));
}

TEST_F(AttemptFilesTest, TheyChangeHandsWithTheAttempt)
{
    HandedRun handed = start(with_files("echo ready; " + wait_for("go") + "cat $A", {{"A", "text"}}), written("ready"));
    EXPECT_EQ(left(), 1U);
    make("go");
    EXPECT_EQ(resume(std::move(handed)).out.text, "ready\ntext");
    EXPECT_EQ(left(), 0U);
    { // and with whoever drops it
        const HandedRun dropped = start(with_files("echo ready; exec sleep 1000", {{"A", "a"}}), written("ready"));
        EXPECT_EQ(left(), 1U);
    }
    EXPECT_EQ(left(), 0U);
}

TEST_F(AttemptFilesTest, NothingIsLeftOfThoseThatCannotBeWritten)
{
    struct rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    const struct rlimit short_of_it{10'000, before.rlim_max};
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    AttemptSpec spec = with_files("touch " + path("ran"), {{"A", "fits"}, {"B", std::string(20'000, 'x')}});
    const std::string file = spec.files_directory + "/B";
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &short_of_it), 0);
    const std::string why = refusal(std::move(spec));
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)std::signal(SIGXFSZ, handler);
    EXPECT_EQ(why, "cannot write " + file + ": File too large");
    EXPECT_EQ(left(), 0U);
    EXPECT_FALSE(exists("ran"));
}

TEST_F(AttemptFilesTest, TheyLeaveTheDiskItsFloor)
{
    AttemptSpec spec = with_files("true", {{"A", "text"}});
    spec.free_space_floor = std::numeric_limits<std::int64_t>::max();
    EXPECT_NE(refusal(std::move(spec)).find("store.free_space_floor"), std::string::npos);
    EXPECT_EQ(left(), 0U);
}

TEST_F(AttemptFilesTest, ADirectoryOfTheSameNameIsReplaced)
{
    AttemptSpec spec = with_files("ls \"$(dirname $A)\"", {{"A", "a"}});
    fs::create_directories(spec.files_directory + "/old");
    EXPECT_EQ(run(std::move(spec)).out.text, "A\n");
    EXPECT_EQ(left(), 0U);
}

TEST_F(AttemptFilesTest, WhatADeadPredecessorLeftGoesSaveOfWhatRunsOn)
{
    const Uuid kept = make_uuid_v7();
    fs::create_directories(files_directory(root(), kept, 2));
    fs::create_directories(files_directory(root(), kept, 1) + "/sub");
    fs::create_directories(files_directory(root(), make_uuid_v7(), 2));
    std::ofstream{root() + "/stray"};
    remove_left_files(root(), {{kept, 2}});
    ASSERT_EQ(left(), 1U);
    EXPECT_TRUE(fs::exists(files_directory(root(), kept, 2)));
    remove_left_files(path("nothing here"), {});
}

} // namespace
} // namespace belay::jobs
