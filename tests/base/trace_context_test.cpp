#include "base/trace_context.hpp"

#include <gtest/gtest.h>

#include <string>

namespace belay {
namespace {

const std::string valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"; // the specification's example

TEST(ParseTraceparent, ReadsTheSpecificationsExample)
{
    const auto context = parse_traceparent(valid);
    ASSERT_TRUE(context);
    EXPECT_EQ(trace_id_text(*context), "4bf92f3577b34da6a3ce929d0e0e4736");
    EXPECT_EQ(context->flags, 1);
    EXPECT_EQ(to_traceparent(*context), valid);
}

TEST(ParseTraceparent, ReadsHigherVersionsByTheirFirst55Characters)
{
    EXPECT_TRUE(parse_traceparent("01" + valid.substr(2)));
    EXPECT_TRUE(parse_traceparent("cc" + valid.substr(2) + "-what-the-future-holds"));
    EXPECT_FALSE(parse_traceparent("cc" + valid.substr(2) + ".what"));
}

TEST(ParseTraceparent, RefusesInvalidText)
{
    std::string upper = valid;
    upper[4] = 'B';
    for (const std::string& text : {std::string{}, valid.substr(1), valid + "-", valid + "0", upper,
             "ff" + valid.substr(2), std::string{"00-00000000000000000000000000000000-00f067aa0ba902b7-01"},
             std::string{"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"},
             std::string{"00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}})
        EXPECT_FALSE(parse_traceparent(text)) << text;
}

TEST(MakeChildSpan, KeepsTheTraceAndChangesTheSpan)
{
    const auto parent = *parse_traceparent(valid);
    const auto child = make_child_span(parent);
    EXPECT_EQ(child.trace_id, parent.trace_id);
    EXPECT_EQ(child.flags, parent.flags);
    EXPECT_NE(child.span_id, parent.span_id);
}

TEST(MakeTrace, ReadsBack)
{
    EXPECT_TRUE(parse_traceparent(to_traceparent(make_trace())));
}

} // namespace
} // namespace belay
