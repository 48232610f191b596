#include "http/head_parser.hpp"
#include "http/header_policy.hpp"
#include "http/server.hpp"

#include <gtest/gtest.h>

namespace belay::http {
namespace {

/** The verdict on a complete head; what the parser refuses is in it too. */
class Judged {
public:
    explicit Judged(std::string raw) : raw_(std::move(raw))
    {
        Head head;
        verdict_.rejection = parse_head(raw_, head, fields_);
        if (!verdict_.rejection)
            verdict_ = apply_header_policy(head, Limits{});
    }
    const HeadVerdict* operator->() const { return &verdict_; }
    [[nodiscard]] int status() const { return verdict_.rejection ? verdict_.rejection->status : 0; }

private:
    std::string raw_;
    std::vector<Field> fields_;
    HeadVerdict verdict_;
};

Judged judge(const std::string& line, const std::string& fields = {})
{
    return Judged{line + "\r\nHost: a\r\n" + fields + "\r\n"};
}

TEST(HeaderPolicy, FramesABodyByItsFields)
{
    const Judged none = judge("GET / HTTP/1.1");
    EXPECT_EQ(none.status(), 0);
    EXPECT_EQ(none->framing, Framing::none);

    const Judged sized = judge("POST / HTTP/1.1", "content-length:  42 \r\n");
    EXPECT_EQ(sized->framing, Framing::content_length);
    EXPECT_EQ(sized->content_length, 42U);

    const Judged empty = judge("POST / HTTP/1.1", "Content-Length: 0\r\n");
    EXPECT_EQ(empty.status(), 0);
    EXPECT_EQ(empty->framing, Framing::none);

    EXPECT_EQ(judge("POST / HTTP/1.1", "Transfer-Encoding: CHUNKED\r\n")->framing, Framing::chunked);
    EXPECT_EQ(judge("GET / HTTP/1.1", "Content-Length: 3\r\n")->framing, Framing::content_length);
    EXPECT_EQ(judge("POST / HTTP/1.1").status(), 411);
    EXPECT_EQ(judge("PUT / HTTP/1.1").status(), 411);
    EXPECT_EQ(judge("DELETE / HTTP/1.1").status(), 0);
}

TEST(HeaderPolicy, KeepsAliveAsTheVersionAndConnectionSay)
{
    EXPECT_TRUE(judge("GET / HTTP/1.1")->keep_alive);
    EXPECT_FALSE(judge("GET / HTTP/1.1", "Connection: close\r\n")->keep_alive);
    EXPECT_FALSE(judge("GET / HTTP/1.1", "Connection: foo , Close\r\n")->keep_alive);
    EXPECT_FALSE(judge("GET / HTTP/1.1", "Connection: foo\r\nConnection: close\r\n")->keep_alive);
    EXPECT_TRUE(judge("GET / HTTP/1.1", "Connection: not-close\r\n")->keep_alive);
    EXPECT_FALSE(judge("GET / HTTP/1.0")->keep_alive);
    EXPECT_TRUE(judge("GET / HTTP/1.0", "Connection: Keep-Alive\r\n")->keep_alive);
    EXPECT_FALSE(judge("GET / HTTP/1.0", "Connection: keep-alive, close\r\n")->keep_alive);
}

TEST(HeaderPolicy, KnowsOneExpectation)
{
    EXPECT_TRUE(judge("POST / HTTP/1.1", "Content-Length: 1\r\nExpect: 100-Continue\r\n")->expects_continue);
    EXPECT_FALSE(judge("POST / HTTP/1.0", "Content-Length: 1\r\nExpect: 100-continue\r\n")->expects_continue);
    EXPECT_EQ(judge("GET / HTTP/1.1", "Expect: foo\r\n").status(), 417);
    EXPECT_EQ(judge("GET / HTTP/1.1", "Expect: 100-continue\r\nExpect: 100-continue\r\n").status(), 417);
}

TEST(HeaderPolicy, SplitsTheTarget)
{
    struct {
        std::string target, path, query;
    } const table[] = {
        {"/", "/", ""},
        {"/a/b%20c?d=e?f&g[]=/", "/a/b%20c", "d=e?f&g[]=/"},
        {"/?", "/", ""},
        {"//", "//", ""},
        {"/a..b/...", "/a..b/...", ""},
        {"http://h", "/", ""},
        {"HTTPS://h:8080/x?y", "/x", "y"},
        {"http://[::1]:80?q", "/", "q"},
    };
    for (const auto& row : table) {
        const Judged judged = judge("GET " + row.target + " HTTP/1.1");
        EXPECT_EQ(judged.status(), 0) << row.target;
        EXPECT_EQ(judged->path, row.path);
        EXPECT_EQ(judged->query, row.query);
    }
    for (const std::string target :
        {"*", "a", "?a", "/.", "/..", "/a/./b", "/%2E", "/%", "/%4", "/%g0", "/%00", "/a%00", "/<", "/\"", "/{", "/a|b",
            "/?#", "http://", "http:///", "http://h:x/", "http://h/..", "ftp://h/"})
        EXPECT_EQ(judge("GET " + target + " HTTP/1.1").status(), 400) << target;
}

TEST(HeaderPolicy, WantsOneValidHost)
{
    for (const std::string host : {"", "a", "a.example:80", "127.0.0.1", "[::1]", "[2001:db8::1]:443", "a_b", "a:"})
        EXPECT_EQ(Judged{"GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n"}.status(), 0) << host;
    for (const std::string host :
        {"a b", "a@b", "a/b", "a?b", "a,b c", "a:b", "[::1", "[x]", "::1", "a\\b", "\xc3\xa4"})
        EXPECT_EQ(Judged{"GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n"}.status(), 400) << host;
    EXPECT_EQ(Judged{"GET / HTTP/1.0\r\n\r\n"}.status(), 0);
}

} // namespace
} // namespace belay::http
