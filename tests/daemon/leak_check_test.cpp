#include "daemon/leak_check.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <future>

namespace belay::daemon {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

TEST(LeakCheck, FindsNothingWhereNothingWasLeft)
{
    prepare_stacks();
    Threads threads;
    const Census before = take_census();
    for (int i = 0; i < 100; ++i) { // a joined thread stays in /proc for an instant
        Thread thread = threads.start("short", [](Heartbeat&) {});
        thread.join();
        ASSERT_TRUE(find_leaks(before, threads, 10s).empty());
    }
}

TEST(LeakCheck, NamesAThreadItsCreatorAndWhereItWaits)
{
    prepare_stacks();
    Threads threads;
    const Census before = take_census();
    std::promise<void> release;
    Thread thread = threads.start("leaked", [&release](Heartbeat&) { release.get_future().wait(); });
    const auto leaks = find_leaks(before, threads, 20ms);
    release.set_value();
    thread.join();
    ASSERT_EQ(leaks.size(), 1U);
    EXPECT_EQ(leaks[0].kind, Leak::Kind::thread);
    EXPECT_THAT(
        leaks[0].what, MatchesRegex("thread leaked .tid [0-9]+. created at tests/daemon/leak_check_test.cpp:[0-9]+.*"));
#ifndef __SANITIZE_THREAD__ // it holds a signal back while a thread waits for a futex
    EXPECT_FALSE(leaks[0].stack.empty());
#endif
    EXPECT_TRUE(find_leaks(before, threads, 10s).empty());
}

TEST(LeakCheck, NamesAThreadThatALibraryMade)
{
    prepare_stacks();
    const Threads threads;
    const Census before = take_census();
    std::promise<void> release;
    std::thread thread{[&release] { release.get_future().wait(); }};
    const auto leaks = find_leaks(before, threads, 20ms);
    release.set_value();
    thread.join();
    ASSERT_EQ(leaks.size(), 1U);
    EXPECT_THAT(leaks[0].what, HasSubstr("not created by daemon::Threads"));
}

TEST(LeakCheck, NamesADescriptorByItsFileOrItsEndpoints)
{
    const Threads threads;
    const Census before = take_census();
    const int file = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const auto leaks = find_leaks(before, threads, 1ms);
    ::close(file);
    ::close(socket);
    ASSERT_EQ(leaks.size(), 2U);
    EXPECT_EQ(leaks[0].kind, Leak::Kind::descriptor);
    EXPECT_EQ(leaks[0].what, "fd " + std::to_string(file) + " → /dev/null");
    EXPECT_THAT(leaks[1].what, MatchesRegex("fd [0-9]+ → socket:\\[[0-9]+\\] 127.0.0.1:[0-9]+"));
}

TEST(LeakCheck, NamesAChildOfAnyThread)
{
    Threads threads;
    const Census before = take_census();
    std::promise<pid_t> forked;
    std::promise<void> release;
    Thread parent = threads.start("parent", [&](Heartbeat&) {
        const pid_t pid = ::fork();
        if (pid == 0) {
            ::execl("/bin/sleep", "sleep", "1000", nullptr);
            ::_exit(127);
        }
        forked.set_value(pid);
        release.get_future().wait();
    });
    const pid_t pid = forked.get_future().get();
    // Until exec has happened the child still has our name.
    std::vector<Leak> leaks;
    for (int i = 0; i < 10'000 && (leaks.size() != 2 || leaks[1].what.find("sleep 1000") == std::string::npos); ++i)
        leaks = find_leaks(before, threads, 1ms);
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    release.set_value();
    ASSERT_EQ(leaks.size(), 2U);
    EXPECT_EQ(leaks[1].kind, Leak::Kind::child);
    EXPECT_THAT(leaks[1].what, MatchesRegex("child [0-9]+ .sleep., state [SRD]: sleep 1000 "));
}

TEST(LeakCheck, SeesAChildThatNobodyReaped)
{
    const Threads threads;
    const Census before = take_census();
    const pid_t pid = ::fork();
    if (pid == 0)
        ::_exit(0);
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
    const auto leaks = find_leaks(before, threads, 1ms);
    ::waitpid(pid, nullptr, 0);
    ASSERT_EQ(leaks.size(), 1U);
    EXPECT_THAT(leaks[0].what, HasSubstr("state Z"));
}

} // namespace
} // namespace belay::daemon
