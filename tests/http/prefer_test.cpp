#include "http/prefer.hpp"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace belay::http {
namespace {

using Wait = std::optional<std::chrono::seconds>;

Wait wait_of(std::vector<std::string_view> lines)
{
    std::vector<Field> fields{{"Host", "a"}};
    for (const std::string_view line : lines)
        fields.push_back({"pReFeR", line});
    Request request;
    request.fields = fields;
    return preferred_wait(request);
}

Wait seconds(std::int64_t number)
{
    return std::chrono::seconds{number};
}

TEST(PreferredWait, IsANumberOfSeconds)
{
    EXPECT_EQ(wait_of({"wait=10"}), seconds(10));
    EXPECT_EQ(wait_of({"wait=0"}), seconds(0));
    EXPECT_EQ(wait_of({"Wait = \"007\""}), seconds(7)) << "case, spaces and quotes mean nothing";
    EXPECT_EQ(wait_of({"wait=\"1\\0\""}), seconds(10));
    EXPECT_EQ(wait_of({"wait=10; foo=\"bar, wait=20\""}), seconds(10)) << "parameters neither";
    EXPECT_EQ(wait_of({"wait=99999999999999999999999999"}), seconds(1'000'000'000));
    EXPECT_EQ(wait_of({"wait=9223372036854775807"}), seconds(1'000'000'000));
}

TEST(PreferredWait, IsFoundAmongOthers)
{
    EXPECT_EQ(wait_of({"respond-async, wait=5"}), seconds(5));
    EXPECT_EQ(wait_of({"respond-async", "foo;wait=1", "handling=lenient , wait=5,return=minimal"}), seconds(5));
    EXPECT_EQ(wait_of({"foo=\"a, wait=1\\\", wait=2\", wait=5"}), seconds(5)) << "not in a quoted string";
    EXPECT_EQ(wait_of({",, ,=,;;,\t, wait=5"}), seconds(5));
    EXPECT_EQ(wait_of({"wait=5, wait=6", "wait=7"}), seconds(5)) << "RFC 7240 §2: the first one";
    EXPECT_EQ(wait_of({"waiting=1, wait-=2, wait=5"}), seconds(5));
}

TEST(PreferredWait, IsNothingWhereItIsNoNumber)
{
    for (const std::string_view line :
        {"", "wait", "wait=", "wait=\"\"", "wait=x", "wait=-1", "wait=+1", "wait=1.5", "wait=5s", "wait=1 2",
            "wait=\"5", "wait=5\"", "wait==5", "respond-async", "foo=\"wait=5", "\"", "\"\\", "foo=\"\\"})
        EXPECT_EQ(wait_of({line}), std::nullopt) << line;
    EXPECT_EQ(wait_of({}), std::nullopt);
    EXPECT_EQ(wait_of({"wait=x, wait=5"}), std::nullopt) << "the first one, good or not";
}

} // namespace
} // namespace belay::http
