// Bad inputs, driven over a real connection: each is answered with the status that the RFCs ask for, the answer arrives
// (no reset), no handler runs, nothing after it is parsed, and the server lives on.  B61 (deadlines) is in
// server_test.cpp; B57 to B60 (signatures, duplicates, full queues, rates) are for the hooks and the store to test.
#include "test_server.hpp"

#include <algorithm>
#include <ostream>

namespace belay::http {
namespace {

using namespace std::string_literals;

struct BadInput {
    std::string id; ///< row of the table of bad inputs
    std::string name;
    std::string bytes;
    std::vector<int> statuses; ///< any of these; 0: the connection ends without an answer

    friend void PrintTo(const BadInput& row, std::ostream* out) { *out << row.id << ' ' << row.name; }
};

/** A POST to /h with these field lines (each with its CR LF) and whatever follows the head. */
std::string post(const std::string& fields, const std::string& rest = {})
{
    return "POST /h HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + rest;
}

std::string chunked(const std::string& body)
{
    return post("Transfer-Encoding: chunked\r\n", body);
}

std::string get(const std::string& target)
{
    return "GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n";
}

std::string many_fields(int count)
{
    std::string fields;
    for (int i = 0; i < count; ++i)
        fields += "A: b\r\n";
    return fields;
}

/** A head of exactly that many bytes. */
std::string head_of(std::size_t size)
{
    const std::string empty = "POST /h HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX: \r\n\r\n";
    return "POST /h HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX: " + std::string(size - empty.size(), 'x') +
           "\r\n\r\n";
}

std::string many_extensions()
{
    std::string body;
    for (int i = 0; i < 50; ++i)
        body += "1;n=" + std::string(100, 'x') + "\r\na\r\n";
    return body + "0\r\n\r\n";
}

std::string many_trailers(int count)
{
    std::string body = "5\r\nhello\r\n0\r\n";
    for (int i = 0; i < count; ++i)
        body += "X: y\r\n";
    return body + "\r\n";
}

std::string one_byte_chunks(int count)
{
    std::string body;
    for (int i = 0; i < count; ++i)
        body += "1\r\na\r\n";
    return body + "0\r\n\r\n";
}

const std::string te = "Transfer-Encoding: chunked\r\n";
const std::string cl = "Content-Length: 5\r\n";
const std::string hello = "5\r\nhello\r\n0\r\n\r\n";

std::vector<BadInput> bad_heads()
{
    return {
        {"B01", "no Host", "POST /h HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", {400}},
        {"B02", "two different Host", post("Host: b\r\n" + cl, "hello"), {400}},
        {"B02", "two equal Host", post("Host: a\r\n" + cl, "hello"), {400}},
        {"B02", "two Host in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", {400}},
        {"B03", "space in Host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", {400}},
        {"B03", "user information in Host", "GET / HTTP/1.1\r\nHost: a@c\r\n\r\n", {400}},
        {"B03", "slash in Host", "GET / HTTP/1.1\r\nHost: a/c\r\n\r\n", {400}},
        {"B03", "port of letters", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", {400}},
        {"B03", "open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", {400}},
        {"B04", "length then chunked", post("Content-Length: 4\r\n" + te, hello), {400}},
        {"B04", "chunked then length", post(te + "Content-Length: 4\r\n", hello), {400}},
        {"B05", "two lengths", post(cl + "Content-Length: 6\r\n", "hello"), {400}},
        {"B05", "list of lengths", post("Content-Length: 5, 6\r\n", "hello"), {400}},
        {"B06", "the same length twice", post(cl + cl, "hello"), {400}},
        {"B06", "list of equal lengths", post("Content-Length: 5, 5\r\n", "hello"), {400}},
        {"B07", "negative length", post("Content-Length: -5\r\n", "hello"), {400}},
        {"B07", "length with plus", post("Content-Length: +5\r\n", "hello"), {400}},
        {"B07", "hexadecimal length", post("Content-Length: 0x5\r\n", "hello"), {400}},
        {"B07", "length with a space", post("Content-Length: 1 0\r\n", "hello"), {400}},
        {"B07", "empty length", post("Content-Length: \r\n", "hello"), {400}},
        {"B07", "length 2^64", post("Content-Length: 18446744073709551616\r\n", "hello"), {400}},
        {"B08", "leading zeros", post("Content-Length: 005\r\n", "hello"), {400}},
        {"B09", "over the limit, nothing sent", post("Content-Length: 65537\r\n"), {413}},
        {"B09", "length 2^63", post("Content-Length: 9223372036854775808\r\n"), {413}},
        {"B10", "over the limit, expecting 100", post("Content-Length: 65537\r\nExpect: 100-continue\r\n"), {413}},
        {"B11", "neither length nor chunked", post("", "hello"), {411}},
        {"B12", "xchunked", post("Transfer-Encoding: xchunked\r\n", hello), {501}},
        {"B13", "gzip", post("Transfer-Encoding: gzip\r\n", hello), {400}},
        {"B14", "chunked, gzip", post("Transfer-Encoding: chunked, gzip\r\n", hello), {400}},
        {"B15", "chunked, chunked", post("Transfer-Encoding: chunked, chunked\r\n", hello), {400}},
        {"B16", "gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n", hello), {501}},
        {"B17", "identity and length", post("Transfer-Encoding: identity\r\n" + cl, "hello"), {400}},
        {"B17", "xchunked and length", post("Transfer-Encoding: xchunked\r\n" + cl, "hello"), {400}},
        {"B17", "quoted and length", post("Transfer-Encoding: \"chunked\"\r\n" + cl, "hello"), {400}},
        {"B17", "empty and length", post("Transfer-Encoding:\r\n" + cl, "hello"), {400}},
        {"B18", "parameter", post("Transfer-Encoding: chunked;a=b\r\n", hello), {400}},
        {"B18", "empty element", post("Transfer-Encoding: , chunked\r\n", hello), {400}},
        {"B19", "chunked twice", post(te + te, hello), {400}},
        {"B19", "chunked, then identity", post(te + "Transfer-Encoding: identity\r\n", hello), {400}},
        {"B19", "identity, then chunked", post("Transfer-Encoding: identity\r\n" + te, hello), {400}},
        {"B20", "vertical tab", post("Transfer-Encoding: \x0b" + "chunked\r\n"s, hello), {400}},
        {"B20", "NUL", post("Transfer-Encoding: chunked\0\r\n"s, hello), {400}},
        {"B20", "space before colon", post("Transfer-Encoding : chunked\r\n", hello), {400}},
        {"B21", "Transfer_Encoding", post("Transfer_Encoding: chunked\r\n" + cl, "hello"), {400}},
        {"B21", "Content_Length", post("Content_Length: 7\r\n" + cl, "hello"), {400}},
        {"B22", "chunked in HTTP/1.0", "POST /h HTTP/1.0\r\nHost: a\r\n" + te + "\r\n" + hello, {400}},
        {"B36", "bare LF", "POST /h HTTP/1.1\nHost: a\nContent-Length: 5\n\nhello", {400}},
        {"B36", "one bare LF", "POST /h HTTP/1.1\r\nHost: a\nContent-Length: 5\r\n\r\nhello", {400}},
        {"B37", "CR in a value", post("X: a\rb\r\n" + cl, "hello"), {400}},
        {"B37", "NUL in a value", post("X: a\0b\r\n"s + cl, "hello"), {400}},
        {"B37", "0x01 in a value", post("X: a\x01"s + "b\r\n" + cl, "hello"), {400}},
        {"B37", "DEL in a value", post("X: a\x7f"s + "b\r\n" + cl, "hello"), {400}},
        {"B38", "folded with a space", post("X: a\r\n b\r\n" + cl, "hello"), {400}},
        {"B38", "folded with a tab", post("X: a\r\n\tb\r\n" + cl, "hello"), {400}},
        {"B38", "folded first field", "POST /h HTTP/1.1\r\n Host: a\r\n\r\n", {400}},
        {"B39", "space before colon", post("X : a\r\n" + cl, "hello"), {400}},
        {"B39", "empty name", post(": a\r\n" + cl, "hello"), {400}},
        {"B39", "no colon", post("X\r\n" + cl, "hello"), {400}},
        {"B39", "NUL in a name", post("X\0Y: a\r\n"s + cl, "hello"), {400}},
        {"B40", "8193 bytes", head_of(8193) + "hello", {431}},
        {"B40", "20000 bytes", head_of(20'000) + "hello", {431}},
        {"B41", "101 fields", "GET / HTTP/1.1\r\nHost: a\r\n" + many_fields(100) + "\r\n", {431}},
        {"B41", "1000 fields", "GET / HTTP/1.1\r\nHost: a\r\n" + many_fields(999) + "\r\n", {431}},
        {"B42", "target of 9000 bytes", get("/" + std::string(8999, 'a')), {414}},
        {"B42", "target of 2049 bytes", get("/" + std::string(2048, 'a')), {414}},
        {"B43", "raw UTF-8", get("/\xc3\xa4"), {400}},
        {"B43", "fragment", get("/#frag"), {400}},
        {"B43", "no leading slash", get("h"), {400}},
        {"B43", "escaped NUL", get("/a%00b"), {400}},
        {"B43", "malformed escape", get("/a%zz"), {400}},
        {"B43", "cut escape", get("/a%4"), {400}},
        {"B43", "dot segment", get("/a/../h"), {400}},
        {"B43", "escaped dot segment", get("/a/%2e%2E/h"), {400}},
        {"B43", "dot segment at the end", get("/a/.."), {400}},
        {"B43", "backslash", get("/a\\b"), {400}},
        {"B43", "control character in the query", get("/?a\x01"), {400}},
        {"B44", "absolute form with user information", get("http://a@evil/h"), {400}},
        {"B44", "absolute form without host", get("http:///h"), {400}},
        {"B44", "absolute form of another path", get("http://evil/nowhere"), {404}},
        {"B45", "CONNECT", "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", {501}},
        {"B45", "TRACE", "TRACE /h HTTP/1.1\r\nHost: a\r\n\r\n", {501}},
        {"B45", "OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", {405}},
        {"B46", "GET where only POST is", get("/h"), {405}},
        {"B47", "unknown method", "FOOBAR /h HTTP/1.1\r\nHost: a\r\n\r\n", {501}},
        {"B47", "method in lower case", "post /h HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", {501}},
        {"B47", "method of 5000 bytes", std::string(5000, 'A') + " /h HTTP/1.1\r\nHost: a\r\n\r\n", {501}},
        {"B48", "two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", {400}},
        {"B48", "tab", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", {400}},
        {"B48", "space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", {400}},
        {"B48", "leading space", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", {400}},
        {"B48", "no version", "GET /\r\nHost: a\r\n\r\n", {400}},
        {"B49", "more than one leading CR LF", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", {400}},
        {"B50", "HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", {505}},
        {"B50", "HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", {505}},
        {"B50", "HTTP/11.1", "GET / HTTP/11.1\r\nHost: a\r\n\r\n", {400}},
        {"B50", "http/1.1", "GET / http/1.1\r\nHost: a\r\n\r\n", {400}},
        {"B50", "space after the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", {400}},
        {"B51", "HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {505}},
        {"B51", "TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s + std::string(500, '\x7a'), {400}},
        {"B51", "binary noise", "\xff\xfe\x80"s + std::string(1000, '\x90'), {400}},
        {"B52", "unknown expectation", post("Expect: 200-ok\r\n" + cl, "hello"), {417}},
        {"B54", "gzip content", post("Content-Encoding: gzip\r\n" + cl, "hello"), {415}},
        {"B56", "unknown path", "POST /unknown HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", {404}},
        {"B62", "a valid one, then B04", post(cl, "hello") + post("Content-Length: 4\r\n" + te, hello), {202, 400}},
    };
}

std::vector<BadInput> bad_bodies()
{
    std::vector<BadInput> rows;
    for (const char* size : {"0x5", "+5", "-5", "1_0", " 5", "5 ", "", "g"})
        rows.push_back({"B23", "chunk size \"" + std::string{size} + "\"",
            chunked(std::string{size} + "\r\nhello\r\n0\r\n\r\n"), {400}});
    const std::vector<BadInput> more = {
        {"B24", "17 digits", chunked("1FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"), {400}},
        {"B24", "16 digits", chunked("FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"), {413}},
        {"B24", "2 GiB", chunked("80000000\r\nhello\r\n0\r\n\r\n"), {413}},
        {"B24", "over the limit together", chunked("8000\r\n" + std::string(32768, 'x') + "\r\n8001\r\n"), {413}},
        {"B25", "leading zeros", chunked("00000000000000005\r\nhello\r\n0\r\n\r\n"), {400}},
        {"B26", "longer than its size", chunked("5\r\nhello!!\r\n0\r\n\r\n"), {400}},
        {"B26", "no CR LF after the data", chunked("5\r\nhello0\r\n\r\n"), {400}},
        {"B27", "bare LF after the size", chunked("5\nhello\r\n0\r\n\r\n"), {400}},
        {"B27", "bare LF after the data", chunked("5\r\nhello\n0\r\n\r\n"), {400}},
        {"B27", "bare LF in an extension", chunked("5;a\nb\r\nhello\r\n0\r\n\r\n"), {400}},
        {"B27", "bare LF in a quoted extension", chunked("5;a=\"\n\"\r\nhello\r\n0\r\n\r\n"), {400}},
        {"B28", "extension without a name", chunked("5;\r\nhello\r\n0\r\n\r\n"), {400}},
        {"B28", "NUL in an extension", chunked("5;a\0b\r\nhello\r\n0\r\n\r\n"s), {400}},
        {"B28", "bare CR in an extension", chunked("5;a\rb\r\nhello\r\n0\r\n\r\n"), {400}},
        {"B29", "control character in quotes", chunked("5;a=\"\x01\"\r\nhello\r\n0\r\n\r\n"), {400}},
        {"B29", "escaped control character", chunked("5;a=\"\\\x01\"\r\nhello\r\n0\r\n\r\n"), {400}},
        {"B30", "extension of 20 KB", chunked("5;a=" + std::string(20'000, 'x') + "\r\nhello\r\n0\r\n\r\n"), {400}},
        {"B30", "extensions over 4 KiB together", chunked(many_extensions()), {400}},
        {"B31", "trailer of 100 KB", chunked("0\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n"), {431}},
        {"B32", "5000 trailer fields", chunked(many_trailers(5000)), {431}},
        {"B32", "101 trailer fields", chunked(many_trailers(101)), {431}},
        {"B34", "Content-Length in the trailer", chunked("5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n"), {400}},
        {"B34", "Transfer-Encoding in the trailer", chunked("0\r\nTransfer-Encoding: chunked\r\n\r\n"), {400}},
        {"B34", "folded trailer", chunked("0\r\nX: a\r\n b\r\n\r\n"), {400}},
        {"B34", "trailer without a colon", chunked("0\r\nX\r\n\r\n"), {400}},
        {"B34", "control character in a trailer", chunked("0\r\nX: \x01\r\n\r\n"), {400}},
        {"A5", "a body in chunks of one byte", chunked(one_byte_chunks(65536)), {413}},
    };
    rows.insert(rows.end(), more.begin(), more.end());
    return rows;
}

/** One server for all rows: what one of them breaks, the next one notices. */
class BadInputTest : public testing::TestWithParam<BadInput> {
protected:
    static void SetUpTestSuite()
    {
        fixture = std::make_unique<TestServer>();
        const auto count = [](Request& request) {
            ++handled;
            return answer(request);
        };
        fixture->router.add({.method = "POST", .pattern = "/h", .handler = count, .admit = {}});
        fixture->router.add({.method = "GET", .pattern = "/smuggled", .handler = count, .admit = {}});
        fixture->start();
    }
    static void TearDownTestSuite() { fixture.reset(); }

    static asio::awaitable<Response> answer(Request& request)
    {
        co_return text_response(202, std::string{request.body});
    }

    static inline std::unique_ptr<TestServer> fixture;
    static inline std::atomic<int> handled{0};
};

TEST_P(BadInputTest, IsRefusedAndNothingAfterItIsParsed)
{
    const BadInput& row = GetParam();
    handled = 0;
    TestClient client = fixture->connect();
    (void)client.try_send(row.bytes + get("/smuggled"));
    int expected_calls = 0;
    for (const int status : row.statuses) {
        const auto answer = client.receive();
        EXPECT_EQ(answer.status, status) << answer.head;
        EXPECT_EQ(answer.closes(), status >= 400);
        if (status < 400)
            ++expected_calls;
        EXPECT_TRUE(status != 405 || answer.has("\r\nAllow: "));
        EXPECT_TRUE(status != 415 || answer.has("\r\nAccept-Encoding: identity\r\n"));
    }
    EXPECT_EQ(client.receive_end(), TestClient::End::eof);
    EXPECT_EQ(handled.load(), expected_calls);
    EXPECT_EQ(fixture->probe(), 200);
}

std::string test_name(const testing::TestParamInfo<BadInput>& info)
{
    std::string name = info.param.id + "_" + info.param.name + "_" + std::to_string(info.index);
    std::ranges::replace_if(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
    return name;
}

INSTANTIATE_TEST_SUITE_P(Heads, BadInputTest, testing::ValuesIn(bad_heads()), test_name);
INSTANTIATE_TEST_SUITE_P(Bodies, BadInputTest, testing::ValuesIn(bad_bodies()), test_name);

// What looks odd and must be taken nevertheless.

class OddInputTest : public BadInputTest {};

TEST_P(OddInputTest, IsServed)
{
    const BadInput& row = GetParam();
    TestClient client = fixture->connect();
    client.send(row.bytes + get("/"));
    for (const int status : row.statuses)
        EXPECT_EQ(client.receive().status, status);
    EXPECT_EQ(client.receive().status, 200); // the request after it is framed right
}

INSTANTIATE_TEST_SUITE_P(Odd, OddInputTest,
    testing::Values(BadInput{"B33", "trailer Host", chunked("5\r\nhello\r\n0\r\nHost: evil\r\n\r\n"), {202}},
        BadInput{"B33", "trailer signature", chunked("0\r\nX-Hub-Signature-256: sha256=00\r\n\r\n"), {202}},
        BadInput{"B33", "trailer Authorization", chunked("0\r\nAuthorization: x\r\n\r\n"), {202}},
        BadInput{"B40", "8192 bytes", head_of(8192) + "hello", {202}},
        BadInput{"B41", "100 fields", "GET / HTTP/1.1\r\nHost: a\r\n" + many_fields(99) + "\r\n", {200}},
        BadInput{"B44", "absolute form", "POST http://evil/h HTTP/1.1\r\nHost: a\r\n" + cl + "\r\nhello", {202}},
        BadInput{"B44", "absolute form without path", get("http://a?x"), {200}},
        BadInput{"B45", "OPTIONS of a path", "OPTIONS /h HTTP/1.1\r\nHost: a\r\n\r\n", {204}},
        BadInput{"B49", "leading CR LF", "\r\n" + get("/"), {200}},
        BadInput{"B53", "Upgrade to h2c",
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
            "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
            {200}},
        BadInput{"B54", "Content-Encoding: identity", post("Content-Encoding: identity\r\n" + cl, "hello"), {202}},
        BadInput{
            "B55", "any Content-Type is the handler's to judge", post("Content-Type: x/y\r\n" + cl, "hello"), {202}},
        BadInput{"B62", "two at once", post(cl, "hello") + post(cl, "again"), {202, 202}},
        BadInput{"B64", "bodies are not looked into", post("Content-Length: 5\r\n", "[[[\xed\xa0"), {202}},
        BadInput{"-", "extensions", chunked("5;a=b;c=\"d\\\"e\";f\r\nhello\r\n0;g\r\n\r\n"), {202}},
        BadInput{"-", "sizes of many digits", chunked("0000000000000005\r\nhello\r\n000\r\n\r\n"), {202}},
        BadInput{"-", "Host with a port, IPv6", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", {200}}),
    test_name);

TEST_F(BadInputTest, B33_TrailersAreNotFields)
{
    TestServer server;
    server.router.add({.method = "POST",
        .pattern = "/h",
        .handler =
            [](Request& request) {
                return answer_with(request.field("X-Hub-Signature-256") ? 500 : 202, std::string{request.body})(
                    request);
            },
        .admit = {}});
    server.start();
    TestClient client = server.connect();
    client.send(chunked("5\r\nhello\r\n0\r\nX-Hub-Signature-256: sha256=00\r\n\r\n"));
    const auto answer = client.receive();
    EXPECT_EQ(answer.status, 202);
    EXPECT_EQ(answer.body, "hello");
}

TEST_F(BadInputTest, B35_ATruncatedBodyIsNoRequest)
{
    for (const std::string& bytes : {post("Content-Length: 10\r\n", "hello"), chunked("5\r\nhel"),
             chunked("5\r\nhello\r\n0\r\n"), "POST /h HTT"s}) {
        handled = 0;
        TestClient client = fixture->connect();
        client.send(bytes);
        client.shut_down_sending();
        EXPECT_EQ(client.receive().status, 0);
        EXPECT_EQ(client.receive_end(), TestClient::End::eof);
        EXPECT_EQ(handled.load(), 0);
        EXPECT_EQ(fixture->probe(), 200);
    }
}

TEST_F(BadInputTest, B63_ARejectedUploadStillGetsItsAnswer)
{
    TestClient client = fixture->connect();
    client.send(post("Content-Length: 10485760\r\n") + std::string(10'485'760, 'x')); // all of it, before reading
    EXPECT_EQ(client.receive().status, 413);
    EXPECT_EQ(client.receive_end(), TestClient::End::eof);
    EXPECT_EQ(fixture->probe(), 200);
}

TEST_F(BadInputTest, EveryRowByteByByteEndsTheSame)
{
    for (const std::vector<BadInput>& rows : {bad_heads(), bad_bodies()})
        for (const BadInput& row : rows) {
            if (row.bytes.size() > 300 || row.statuses.size() > 1)
                continue;
            TestClient client = fixture->connect();
            for (const char byte : row.bytes)
                if (!client.try_send({&byte, 1}))
                    break;
            EXPECT_EQ(client.receive().status, row.statuses.front()) << row.id << ' ' << row.name;
        }
    EXPECT_EQ(fixture->probe(), 200);
}

} // namespace
} // namespace belay::http
