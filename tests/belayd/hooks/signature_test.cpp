#include "belayd/hooks/signature.hpp"

#include <gtest/gtest.h>

namespace belay::hooks {
namespace {

TEST(GithubSignature, MatchesThePublishedVector)
{
    EXPECT_EQ(github_signature("It's a Secret to Everybody", "Hello, World!"),
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
}

TEST(GithubSignature, CoversEmptyBodies)
{
    EXPECT_EQ(github_signature("key", ""), "sha256=5d5d139563c95b5967b9bd9a8c9b233a9dedb45072794cd232dc1b74832607d0");
}

} // namespace
} // namespace belay::hooks
