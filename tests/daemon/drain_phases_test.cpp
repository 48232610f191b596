#include "daemon/drain_phases.hpp"

#include <gtest/gtest.h>

namespace belay::daemon {
namespace {

using namespace std::chrono_literals;
constexpr DrainPhases::Clock::time_point start{1'000'000s};

TEST(DrainPhases, SaysWhatIsWaitedForAndForHowLong)
{
    DrainPhases phases;
    EXPECT_TRUE(phases.report("jobs", "2 jobs", start));
    EXPECT_EQ(phases.status(start + 999ms), "draining: jobs: 2 jobs");
    EXPECT_FALSE(phases.report("jobs", "1 job", start + 2s));
    EXPECT_EQ(phases.status(start + 3s), "draining: jobs: 1 job, for 3 s") << "for as long as the phase";
    EXPECT_TRUE(phases.report("store", "the store", start + 4s));
    EXPECT_EQ(phases.status(start + 4s), "draining: store: the store");
}

TEST(DrainPhases, WhatIsNoRepetitionIsProgress)
{
    DrainPhases phases;
    EXPECT_FALSE(phases.take_progress());
    phases.report("jobs", "2 jobs", start);
    EXPECT_TRUE(phases.take_progress());
    EXPECT_FALSE(phases.take_progress());
    phases.report("jobs", "2 jobs", start + 1s);
    EXPECT_FALSE(phases.take_progress());
    phases.report("jobs", "1 job", start + 2s);
    EXPECT_TRUE(phases.take_progress());
}

} // namespace
} // namespace belay::daemon
