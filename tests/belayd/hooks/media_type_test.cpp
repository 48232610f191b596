#include "belayd/hooks/media_type.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::hooks {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(ParseParameterisedWord, ReadsParameters)
{
    const auto parsed = parse_parameterised_word(" Multipart/Form-Data ; Boundary=a-b;charset=\"x \\\"y\\\\\" ");
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->word, "multipart/form-data");
    EXPECT_THAT(parsed->parameters, ElementsAre(Pair("boundary", "a-b"), Pair("charset", "x \"y\\")));
    EXPECT_EQ(*parsed->find("boundary"), "a-b");
    EXPECT_EQ(parsed->find("b"), nullptr);
    EXPECT_EQ(parse_parameterised_word("text/plain;")->word, "text/plain");
    EXPECT_EQ(*parse_parameterised_word("a; b=\"\"")->find("b"), "");
}

TEST(ParseParameterisedWord, RefusesWhatIsMalformed)
{
    for (const char* text : {"", ";", "a b", "a; b", "a; b=", "a; b=\"c", "a; b=\"c\\", "a; b=c d", "a; b=c; B=d",
             "a; =c", "a; b =c", "a;; b=c", "a\"b"})
        EXPECT_FALSE(parse_parameterised_word(text)) << text;
}

} // namespace
} // namespace belay::hooks
