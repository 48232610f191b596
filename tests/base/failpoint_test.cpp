#include "base/failpoint.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <string>
#include <thread>

namespace belay {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

struct FailpointTest : ::testing::Test {
    void SetUp() override
    {
        if (!BELAY_FAILPOINTS)
            GTEST_SKIP() << "built without -Dfailpoints=true";
        std::string pattern = fs::temp_directory_path() / "belay-failpoints-XXXXXX";
        directory = ::mkdtemp(pattern.data());
        ::setenv("BELAY_FAILPOINTS", directory.c_str(), 1);
    }
    void TearDown() override
    {
        ::unsetenv("BELAY_FAILPOINTS");
        fs::remove_all(directory);
    }

    void arm(const std::string& action) { std::ofstream{directory / "store.turn"} << action << '\n'; }

    fs::path directory;
};

TEST_F(FailpointTest, DoesNothingUnlessItsOwnNameIsArmed)
{
    arm("kill");
    failpoint("store", ".turns");
    failpoint("store");
    ::unsetenv("BELAY_FAILPOINTS");
    failpoint("store.turn");
    EXPECT_TRUE(fs::exists(directory / "store.turn"));
}

TEST_F(FailpointTest, EndsTheProcessAsItIsTold)
{
    arm("kill");
    EXPECT_EXIT(failpoint("store.turn"), ::testing::KilledBySignal(SIGKILL), "");
    arm("segfault");
    EXPECT_EXIT(failpoint("store", ".turn"), ::testing::KilledBySignal(SIGSEGV), "");
    arm("exit");
    EXPECT_EXIT(failpoint("store.turn"), ::testing::ExitedWithCode(1), "");
    failpoint("store.turn"); // once
}

TEST_F(FailpointTest, WedgesUntilItIsLetGo)
{
    arm("wedge");
    auto wedged = std::async(std::launch::async, [] { failpoint("store.turn"); });
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!fs::exists(directory / "store.turn.reached")) {
        ASSERT_LT(std::chrono::steady_clock::now(), deadline);
        std::this_thread::sleep_for(1ms);
    }
    EXPECT_EQ(wedged.wait_for(50ms), std::future_status::timeout);
    fs::remove(directory / "store.turn.reached");
    EXPECT_EQ(wedged.wait_for(60s), std::future_status::ready);
}

} // namespace
} // namespace belay
