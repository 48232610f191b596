#include "cli/json.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace belay::cli {
namespace {

TEST(JsonMembers, AreReadWhateverTheyAre)
{
    const json::value object =
        json::parse(R"({"text":"a","number":3,"negative":-1,"flag":true,"list":[1],"nothing":null})");
    EXPECT_EQ(text_member(object, "text"), "a");
    EXPECT_EQ(text_member(object, "number"), "3");
    EXPECT_EQ(text_member(object, "nothing"), "");
    EXPECT_EQ(text_member(object, "missing"), "");
    EXPECT_EQ(number_member(object, "number"), 3U);
    EXPECT_EQ(number_member(object, "negative"), 0U);
    EXPECT_EQ(number_member(object, "text"), 0U);
    EXPECT_TRUE(flag_member(object, "flag"));
    EXPECT_FALSE(flag_member(object, "number"));
    EXPECT_EQ(array_member(object, "list").size(), 1U);
    EXPECT_TRUE(array_member(object, "text").empty());
    EXPECT_EQ(text_member(json::value{}, "x"), "");
}

} // namespace
} // namespace belay::cli
