#include "daemon/leak_check.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <thread>

namespace {

using belay::daemon::Census;
using belay::daemon::Threads;

/** Fails the test that left a thread, a descriptor or a child behind, by name. */
class LeakListener : public ::testing::EmptyTestEventListener {
public:
    void OnTestStart(const ::testing::TestInfo& /*test*/) override { before_ = belay::daemon::take_census(); }

    void OnTestEnd(const ::testing::TestInfo& test) override
    {
        for (const auto& leak : belay::daemon::find_leaks(before_, threads_))
            ADD_FAILURE() << test.test_suite_name() << '.' << test.name() << " left behind: " << leak.what
                          << fmt::format("\n    {}", fmt::join(leak.stack, "\n    "));
    }

private:
    Threads threads_; // none of its own: a test's threads are known by their kernel names
    Census before_;
};

} // namespace

int main(int argc, char** argv)
{
    ::testing::InitGoogleTest(&argc, argv);
    belay::daemon::prepare_stacks();
    belay::daemon::adopt_orphans();
    std::thread{[] {}}.join(); // ThreadSanitizer starts a thread of its own beside the first one
    ::testing::UnitTest::GetInstance()->listeners().Append(new LeakListener); // owned by GoogleTest
    return RUN_ALL_TESTS();
}
