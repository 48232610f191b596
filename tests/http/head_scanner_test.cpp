#include "http/head_scanner.hpp"
#include "http/server.hpp"

#include <gtest/gtest.h>

namespace belay::http {
namespace {

constexpr std::string_view head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

TEST(HeadScanner, FindsTheEndHoweverTheBytesArrive)
{
    const Limits limits;
    const std::string bytes = std::string{head} + "rest";
    HeadScanner whole{limits};
    EXPECT_EQ(whole.scan(bytes).size, head.size());

    HeadScanner piecewise{limits};
    for (std::size_t size = 0; size < head.size(); ++size) {
        const HeadScan scan = piecewise.scan(std::string_view{bytes}.substr(0, size));
        ASSERT_EQ(scan.size, 0U);
        ASSERT_FALSE(scan.rejection);
    }
    EXPECT_EQ(piecewise.scan(bytes).size, head.size());
    piecewise.reset();
    EXPECT_EQ(piecewise.scan(bytes).size, head.size());
}

TEST(HeadScanner, RefusesBeforeTheEndWhatIsTooMuch)
{
    Limits limits;
    limits.header_bytes = 100;
    limits.fields = 2;
    const auto status = [&](std::string_view bytes) {
        const HeadScan scan = HeadScanner{limits}.scan(bytes);
        return scan.rejection ? scan.rejection->status : 0;
    };
    EXPECT_EQ(status(std::string(100, 'a')), 0);
    EXPECT_EQ(status(std::string(101, 'a')), 414);
    EXPECT_EQ(status("GET / HTTP/1.1\r\n" + std::string(85, 'a')), 431);
    EXPECT_EQ(status("GET / HTTP/1.1\r\nA: b\r\nA: b\r\n"), 0);
    EXPECT_EQ(status("GET / HTTP/1.1\r\nA: b\r\nA: b\r\nA: b\r\n"), 431);
}

TEST(HeadScanner, RefusesAtOnceWhatCannotBecomeAHead)
{
    const Limits limits;
    for (const std::string_view bytes : {"\n", "\x16", " ", "\r\n", "GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nA: b\n",
             "GET / HTTP/1.1\r\nA: b\r\n c\r\n", "GET / HTTP/1.1\r\nA: b\r\n\tc\r\n"}) {
        const HeadScan scan = HeadScanner{limits}.scan(bytes);
        ASSERT_TRUE(scan.rejection) << bytes;
        EXPECT_EQ(scan.rejection->status, 400);
    }
}

} // namespace
} // namespace belay::http
