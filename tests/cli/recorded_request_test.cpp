#include "cli/context.hpp"
#include "cli/recorded_request.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

std::string fault(std::string_view text)
{
    try {
        (void)parse_recorded_request(text);
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.exit_status(), 65);
        return failure.what();
    }
    return "read";
}

TEST(ParseRecordedRequest, ReadsARequestAsItGoesOverTheWire)
{
    for (const char* text : {"PUT /hooks/a?q=1&r HTTP/1.1\r\nX-A: 1\r\nx-b:  two \r\n\r\nbody\r\nmore",
             "PUT /hooks/a?q=1&r HTTP/2\nX-A: 1\nx-b:\ttwo\n\nbody\r\nmore"}) {
        const auto request = parse_recorded_request(text);
        EXPECT_EQ(request.method, "PUT");
        EXPECT_EQ(request.path, "/hooks/a");
        EXPECT_EQ(request.query, "q=1&r");
        EXPECT_THAT(request.fields, ElementsAre(Pair("X-A", "1"), Pair("x-b", "two")));
        EXPECT_EQ(request.body, "body\r\nmore");
        EXPECT_EQ(request.view().field("X-B"), "two");
    }
}

TEST(ParseRecordedRequest, TakesAnythingElseForABody)
{
    for (const char* text :
        {"", "{\"a\":1}\n", "a=1&b=2", "POST is a word\nof mine", "post / HTTP/1.1\n\n", "POST x HTTP/1.1\n\n"}) {
        const auto request = parse_recorded_request(text);
        EXPECT_EQ(request.body, text);
        EXPECT_EQ(request.method, "POST");
        EXPECT_TRUE(request.fields.empty());
    }
}

TEST(ParseRecordedRequest, GoesByTheContentLength)
{
    EXPECT_EQ(parse_recorded_request("POST / HTTP/1.1\nContent-Length: 2\n\n{}\n").body, "{}");
    EXPECT_THAT(fault("POST / HTTP/1.1\nContent-Length: 4\n\n{}\n"),
        HasSubstr("has 3 bytes, fewer than its Content-Length, 4"));
    EXPECT_THAT(fault("POST / HTTP/1.1\nContent-Length: 2x\n\n{}"), HasSubstr("is no number"));
}

TEST(ParseRecordedRequest, RefusesAMalformedHead)
{
    EXPECT_THAT(fault("POST / HTTP/1.1\nX: 1\n"), HasSubstr("header does not end"));
    EXPECT_THAT(fault("POST / HTTP/1.1\nX: 1\nno field\n\n"), HasSubstr("line 3 of the request is no header field"));
    EXPECT_THAT(fault("POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n0\n\n"), HasSubstr("Transfer-Encoding"));
}

TEST(RecordedRequest, ReplacesFields)
{
    RecordedRequest request;
    request.fields = {{"X-A", "1"}, {"x-a", "2"}, {"B", "3"}};
    request.set_field("X-a", "4");
    EXPECT_THAT(request.fields, ElementsAre(Pair("B", "3"), Pair("X-a", "4")));
}

} // namespace
} // namespace belay::cli
