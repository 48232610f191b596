#include "http/response_writer.hpp"

#include <gtest/gtest.h>

namespace belay::http {
namespace {

constexpr std::string_view date = "Sun, 06 Nov 1994 08:49:37 GMT";

std::string written(const Response& response, ResponseFraming framing = {})
{
    framing.date = date;
    std::string out;
    append_response(out, response, framing);
    return out;
}

TEST(AppendResponse, WritesTheWholeAnswer)
{
    Response response = text_response(202, "hello");
    response.fields.emplace_back("X-A", "b");
    EXPECT_EQ(written(response),
        "HTTP/1.1 202 Accepted\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Length: 5\r\nX-A: b\r\n\r\nhello");
    EXPECT_TRUE(written(response, {.head_only = true}).ends_with("Content-Length: 5\r\nX-A: b\r\n\r\n"));
    EXPECT_NE(written(response, {.close = true}).find("\r\nConnection: close\r\n"), std::string::npos);
    EXPECT_TRUE(written(response, {.request_id = "r1"}).ends_with("X-A: b\r\nX-Request-Id: r1\r\n\r\nhello"));
    EXPECT_NE(written(response, {.keep_alive_1_0 = true}).find("\r\nConnection: keep-alive\r\n"), std::string::npos);
}

TEST(AppendResponse, LeavesContentOutWhereThereIsNone)
{
    const std::string out = written({.status = 204, .content_type = {}, .fields = {}, .body = "x"});
    EXPECT_EQ(out.find("Content-"), std::string::npos);
    EXPECT_TRUE(out.ends_with("\r\n\r\n"));
}

TEST(AppendResponse, SendsTheFieldsOfAHandlerWithoutContentToo)
{
    const std::string out =
        written({.status = 204, .content_type = {}, .fields = {{"Content-Type", "application/json"}}, .body = {}});
    EXPECT_NE(out.find("\r\nContent-Type: application/json\r\n"), std::string::npos) << out; // Discord wants it
}

TEST(AppendResponse, LetsNoFieldSplitTheAnswer)
{
    Response response = text_response(200, "");
    response.fields.emplace_back("X", std::string{"a\r\nSet-Cookie: b\n\0c", 19});
    const std::string out = written(response);
    EXPECT_NE(out.find("\r\nX: a  Set-Cookie: b  c\r\n"), std::string::npos) << out;
}

} // namespace
} // namespace belay::http
