#include "daemon/probes.hpp"
#include "daemon/stacks.hpp"

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <future>
#include <string>
#include <thread>
#include <vector>

namespace belay::daemon {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

ThreadRecord record(const std::string& name, std::shared_ptr<const Heartbeat> heartbeat)
{
    return {name, 1, std::source_location::current(), {}, std::move(heartbeat)};
}

TEST(Probes, HealthzNamesTheLoopsThatAreWedged)
{
    Threads threads;
    std::promise<void> commits;
    std::promise<void> release;
    const std::shared_future<void> released = release.get_future().share();
    const Thread loop = threads.start("http-0", [released](Heartbeat&) { released.wait(); });
    const Thread store = threads.start("store", [&commits, released](Heartbeat& heartbeat) {
        const Heartbeat::DiskWait committing{heartbeat};
        commits.set_value();
        released.wait();
    });
    commits.get_future().wait();
    const auto now = Heartbeat::Clock::now();
    EXPECT_EQ(healthz(threads.wedged(now), now).status, 200);
    EXPECT_EQ(healthz(threads.wedged(now), now).body, R"({"status":"ok"})");
    const auto later = now + 6s;
    const auto wedged = healthz(threads.wedged(later), later);
    EXPECT_EQ(wedged.status, 503);
    EXPECT_THAT(wedged.body, HasSubstr(R"("loop":"http-0")"));
    EXPECT_THAT(wedged.body, HasSubstr(R"("seconds":6)"));
    EXPECT_THAT(wedged.body, ::testing::Not(HasSubstr("store"))) << "a disk wait is no wedge";
    release.set_value();
}

TEST(Probes, ReadyzWantsTheRightStateAndNoLongDiskWait)
{
    const std::vector running{record("store", std::make_shared<Heartbeat>("store"))};
    const Heartbeat::DiskWait committing{const_cast<Heartbeat&>(*running[0].heartbeat)};
    const auto now = Heartbeat::Clock::now();
    for (const State state : all_states)
        EXPECT_EQ(readiness(state, running, now).ready(),
            state == State::ready || state == State::reloading || state == State::upgrading);
    const auto slow = readyz(readiness(State::ready, running, now + 3s));
    EXPECT_EQ(slow.status, 503);
    EXPECT_THAT(slow.body, HasSubstr("loop store has waited 3.0 s for the disk"));
    EXPECT_EQ(readyz({}).status, 200);
    EXPECT_THAT(readyz(readiness(State::draining, {}, now)).body, HasSubstr(R"("reasons":["draining"])"));
}

TEST(Probes, DebugThreadsTellsCreatorAndStack)
{
    prepare_stacks();
    Threads threads;
    std::promise<void> release;
    const Thread thread = threads.start("waits", [&release](Heartbeat&) { release.get_future().wait(); });
    const auto answer = debug_threads(threads.running(), Heartbeat::Clock::now());
    release.set_value();
    EXPECT_EQ(answer.status, 200);
    for (const char* member :
        {R"("name":"waits")", R"("creator":"tests/daemon/probes_test.cpp:)", R"("cpu_seconds":)", R"("wchan":)"})
        EXPECT_THAT(answer.body, HasSubstr(member));
#ifndef __SANITIZE_THREAD__ // it holds a signal back while a thread waits for a futex
    EXPECT_THAT(answer.body, HasSubstr(R"("stack":[")"));
#endif
}

TEST(Probes, DebugThreadsShowsWhatALibraryStarted)
{
    prepare_stacks();
    Threads threads;
    std::promise<pid_t> started;
    std::promise<void> release;
    std::thread library{[&] {
        ::pthread_setname_np(::pthread_self(), "library");
        started.set_value(::gettid());
        release.get_future().wait();
    }};
    const pid_t tid = started.get_future().get();
    const auto answer = debug_threads(threads.running(), Heartbeat::Clock::now());
    release.set_value();
    library.join();
    std::vector<std::string> names;
    const boost::json::value listed = boost::json::parse(answer.body);
    for (const auto& value : listed.as_array()) {
        const auto& thread = value.as_object();
        names.emplace_back(thread.at("name").as_string());
        if (thread.at("tid").as_int64() != tid)
            continue;
        EXPECT_EQ(names.back(), "library");
        EXPECT_FALSE(thread.contains("heartbeat_age_seconds"));
        EXPECT_GE(thread.at("age_seconds").as_double(), 0);
        EXPECT_LT(thread.at("age_seconds").as_double(), 600);
#ifndef __clang__ // thread_interposer.cpp is not linked
        EXPECT_THAT(std::string{thread.at("creator").as_string()}, HasSubstr("std::thread::_M_start_thread("));
#endif
    }
    EXPECT_THAT(names, ::testing::Contains("library"));
    EXPECT_GE(names.size(), 2U) << "and main";
}

} // namespace
} // namespace belay::daemon
