#include "base/duration.hpp"
#include "base/task_group.hpp"
#include "base/unique_fd.hpp"
#include "daemon/successor.hpp"
#include "tests/reap_children.hpp"

#include <boost/asio/steady_timer.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace belay::daemon {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// Zombies and descriptors that are left fail each test by themselves: see tests/test_main.cpp.
class Successor : public ::testing::Test {
protected:
    Successor()
    {
        std::string pattern = fs::temp_directory_path() / "belay-successor-XXXXXX";
        directory_ = ::mkdtemp(pattern.data());
    }
    ~Successor() override { fs::remove_all(directory_); }

    fs::path script(const std::string& text, mode_t mode = 0755)
    {
        const fs::path path = directory_ / "belayd";
        std::ofstream{path} << text;
        ::chmod(path.c_str(), mode);
        return path;
    }

    /** What the shell that runs `text` answers; "yes" if it can take over. */
    std::string answer_of(const std::string& text, std::chrono::milliseconds patience = 60s)
    {
        return ask(script("#!/bin/sh\n" + text), patience);
    }

    std::string ask(const fs::path& path, std::chrono::milliseconds patience = 60s)
    {
        asio::io_context loop;
        std::string answer = "none";
        TaskGroup tasks{loop.get_executor(), [](auto, auto) { ADD_FAILURE(); }};
        tasks.spawn("ask", asking(path, patience, answer));
        loop.run();
        return answer;
    }

    static asio::awaitable<void> asking(std::string path, std::chrono::milliseconds patience, std::string& answer)
    {
        std::vector<std::string> arguments{"--can-resume", "1"};
        const auto reason = co_await ask_successor(std::move(path), std::move(arguments), patience);
        answer = reason.value_or("yes");
    }

    fs::path directory_;
};

TEST_F(Successor, CanTakeOverIfItSaysSo)
{
    EXPECT_EQ(answer_of("echo can take over; exit 0"), "yes");
    EXPECT_EQ(
        answer_of("test \"$0 $*\" = '" + (directory_ / "belayd").string() + " --can-resume 1' && echo can take over"),
        "yes");
}

TEST_F(Successor, MustKnowTheQuestion)
{
    EXPECT_THAT(answer_of("exit 0"), StartsWith("it does not know the question"));
    EXPECT_THAT(answer_of("echo fine; exit 0"), StartsWith("it does not know the question"));
    EXPECT_EQ(answer_of("echo can take over; exit 1"), "can take over");
}

TEST_F(Successor, SaysWhyNotOnOneLine)
{
    EXPECT_EQ(answer_of("echo 'a.toml:1:2: no' >&2; echo 'neither'; exit 78"), "a.toml:1:2: no; neither");
    EXPECT_EQ(answer_of("printf 'bad\\033[31m\\377'; exit 1"), "bad\\x1b[31m\\xff");
    EXPECT_EQ(answer_of("exit 78"), "exit status 78");
    EXPECT_EQ(answer_of("echo; exit 78"), "exit status 78");
}

TEST_F(Successor, MayPrintMoreThanIsKept)
{
    const std::string answer = answer_of("head -c 1000000 /dev/zero | tr '\\0' x; exit 1");
    EXPECT_EQ(answer, std::string(4096, 'x'));
}

TEST_F(Successor, MayDieFromASignal)
{
    EXPECT_EQ(answer_of("kill -SEGV $$"), "killed by signal 11 (Segmentation fault)");
    EXPECT_EQ(answer_of("echo oops; kill -ABRT $$"), "killed by signal 6 (Aborted): oops");
}

/** What processes hold open for writing; ends with the last of them. */
class Held {
public:
    explicit Held(fs::path path) : path_(std::move(path))
    {
        EXPECT_EQ(::mkfifo(path_.c_str(), 0600), 0);
        read_ = UniqueFd{::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)}; // now a writer can open it
        EXPECT_EQ(::fcntl(read_.get(), F_SETFL, 0), 0);
    }
    void wait_until_released() const
    {
        char byte = 0;
        EXPECT_EQ(::read(read_.get(), &byte, 1), 0);
    }
    [[nodiscard]] std::string path() const { return path_; }

private:
    fs::path path_;
    UniqueFd read_;
};

TEST_F(Successor, IsKilledWithItsGroupAtTheDeadline)
{
    const Held held{directory_ / "held"};
    const std::string program = "(echo started; exec sleep 1000) 3> " + held.path() + " & wait";
    std::string answer;
    for (auto patience = 50ms; !answer.ends_with(": started") && patience < 60s; patience *= 2) {
        answer = answer_of(program, patience);
        EXPECT_THAT(answer, StartsWith("did not answer within " + format_duration(patience)));
    }
    EXPECT_THAT(answer, EndsWith(": started"));
    held.wait_until_released();
    testing::reap_children();
}

TEST_F(Successor, LeavesNothingRunning)
{
    const Held held{directory_ / "held"};
    const std::string started = directory_ / "started";
    EXPECT_EQ(answer_of("mkfifo " + started + "; (echo > " + started + "; exec sleep 1000) 3> " + held.path() +
                        " & read line < " + started + "; echo can take over"),
        "yes");
    held.wait_until_released();
    testing::reap_children();
}

TEST_F(Successor, MustBeExecutable)
{
    EXPECT_THAT(
        ask(directory_ / "missing"), AllOf(StartsWith("cannot execute /"), EndsWith("No such file or directory")));
    EXPECT_THAT(ask(script("#!/bin/sh\n", 0644)), EndsWith("Permission denied"));
    EXPECT_THAT(ask(script("no program")), EndsWith("Exec format error"));
    EXPECT_THAT(ask(script("#!/missing/interpreter\n")), EndsWith("No such file or directory"));
}

TEST_F(Successor, CannotSpeakToTheServiceManager)
{
    const std::vector<const char*> theirs{
        "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"};
    for (const char* name : theirs)
        ::setenv(name, "1", 1);                   // NOLINT(concurrency-mt-unsafe): one thread
    ::setenv("BELAY_TEST", "kept = as it is", 1); // NOLINT(concurrency-mt-unsafe)
    const std::string answer = answer_of("env; exit 1");
    for (const char* name : theirs) {
        ::unsetenv(name); // NOLINT(concurrency-mt-unsafe)
        EXPECT_THAT(answer, Not(HasSubstr(std::string{name} + "=")));
    }
    ::unsetenv("BELAY_TEST"); // NOLINT(concurrency-mt-unsafe)
    EXPECT_THAT(answer, HasSubstr("BELAY_TEST=kept = as it is"));
    EXPECT_THAT(answer, HasSubstr("PATH="));
}

TEST_F(Successor, GetsNoDescriptorAndNoSignalOfOurs)
{
    const int ours = ::dup(STDOUT_FILENO); // not close-on-exec
    sigset_t blocked;
    sigset_t before;
    sigfillset(&blocked);
    ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
    const auto ignored = std::signal(SIGHUP, SIG_IGN);
    const std::string answer = answer_of("ls /proc/self/fd | tr '\\n' ' '; readlink /proc/self/fd/0;"
                                         "grep -E 'Sig(Blk|Ign)' /proc/self/status; exit 1");
    (void)std::signal(SIGHUP, ignored);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ::close(ours);
    EXPECT_EQ(answer, "0 1 2 3 /dev/null; SigBlk:\\t0000000000000000; SigIgn:\\t0000000000000000")
        << "descriptor 3 is the directory that ls reads";
}

asio::awaitable<void> ask_forever(std::string path)
{
    const std::vector<std::string> arguments;
    (void)co_await ask_successor(std::move(path), arguments, std::chrono::hours{1});
}

TEST_F(Successor, IsKilledWhenNobodyWaitsAnyMore)
{
    asio::io_context loop;
    TaskGroup tasks{loop.get_executor(), [](auto, auto) { ADD_FAILURE(); }};
    tasks.spawn("ask", ask_forever(script("#!/bin/sh\nexec sleep 1000")));
    while (loop.poll_one() != 0) { // it runs, and is waited for
    }
    tasks.request_stop();
    loop.run();
    EXPECT_EQ(tasks.size(), 0U);
}

} // namespace
} // namespace belay::daemon
