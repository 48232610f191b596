#include "daemon/leak_check.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace {

using belay::daemon::Census;
using belay::daemon::Threads;

/**
 * Fails the test that left a thread, a descriptor or a child behind, by name; and the suite, for what SetUpTestSuite()
 * made and TearDownTestSuite() left.
 */
class LeakListener : public ::testing::EmptyTestEventListener {
public:
    void OnTestSuiteStart(const ::testing::TestSuite& /*suite*/) override
    {
        before_suite_ = belay::daemon::take_census();
        a_test_leaked_ = false;
    }

    void OnTestStart(const ::testing::TestInfo& /*test*/) override { before_test_ = belay::daemon::take_census(); }

    void OnTestEnd(const ::testing::TestInfo& test) override
    {
        if (check(before_test_, fmt::format("{}.{}", test.test_suite_name(), test.name())))
            a_test_leaked_ = true;
    }

    void OnTestSuiteEnd(const ::testing::TestSuite& suite) override
    {
        if (!a_test_leaked_) // that is still there
            (void)check(before_suite_, suite.name());
    }

private:
    /** Whether something was left. */
    bool check(const Census& before, const std::string& name) const
    {
        const auto leaks = belay::daemon::find_leaks(before, threads_);
        for (const auto& leak : leaks)
            ADD_FAILURE() << name << " left behind: " << leak.what
                          << fmt::format("\n    {}", fmt::join(leak.stack, "\n    "));
        return !leaks.empty();
    }

    Threads threads_; // none of its own: a test's threads are known by their kernel names
    Census before_suite_;
    Census before_test_;
    bool a_test_leaked_ = false; // of the suite that runs
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
