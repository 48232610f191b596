#include "cli/context.hpp"
#include "cli/target.hpp"

#include <gtest/gtest.h>

namespace belay::cli {
namespace {

TEST(Target, EncodesAllButUnreservedCharacters)
{
    EXPECT_EQ(percent_encode("a-Z_0.~"), "a-Z_0.~");
    EXPECT_EQ(percent_encode("a/b c\xff?"), "a%2Fb%20c%FF%3F");
}

TEST(Target, LeavesOutParametersWithoutAValue)
{
    EXPECT_EQ(make_target("/x", {{"a", ""}, {"b", "1 2"}, {"c", "3"}}), "/x?b=1%202&c=3");
    EXPECT_EQ(make_target("/x", {{"a", ""}}), "/x");
}

TEST(JobTarget, TakesIdsOnly)
{
    EXPECT_EQ(job_target("0193A1B2-0000-7000-8000-00000000002A", "/output"),
        "/api/v1/jobs/0193a1b2-0000-7000-8000-00000000002a/output");
    try {
        (void)job_target("../reload");
        FAIL();
    } catch (const Failure& e) {
        EXPECT_EQ(e.exit_status(), 64);
    }
}

} // namespace
} // namespace belay::cli
