#include "http/client.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace belay::http {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

/** Takes one connection, reads a head, answers with fixed bytes and closes. */
template <class Protocol>
class OneAnswer {
public:
    OneAnswer(const typename Protocol::endpoint& address, std::string answer)
        : acceptor_(io_, address), thread_([this, answer = std::move(answer)] {
              typename Protocol::socket socket{io_};
              acceptor_.accept(socket);
              boost::system::error_code ec;
              asio::read_until(socket, asio::dynamic_buffer(head_), "\r\n\r\n", ec);
              asio::write(socket, asio::buffer(answer), ec);
              if (answer.empty()) // silence: until the client gives up
                  asio::read_until(socket, asio::dynamic_buffer(head_), "never", ec);
          })
    {
    }
    ~OneAnswer() { head(); }
    OneAnswer(const OneAnswer&) = delete;
    OneAnswer& operator=(const OneAnswer&) = delete;
    OneAnswer(OneAnswer&&) = delete;
    OneAnswer& operator=(OneAnswer&&) = delete;

    [[nodiscard]] auto address() const { return acceptor_.local_endpoint(); }

    /** What the client sent, once the connection is over. */
    const std::string& head()
    {
        if (thread_.joinable())
            thread_.join();
        return head_;
    }

private:
    asio::io_context io_;
    typename Protocol::acceptor acceptor_;
    std::string head_;
    std::thread thread_; // last: uses the others
};

using TcpAnswer = OneAnswer<asio::ip::tcp>;

std::string endpoint_of(const TcpAnswer& server)
{
    return "127.0.0.1:" + std::to_string(server.address().port());
}

const asio::ip::tcp::endpoint any_loopback_port{asio::ip::address_v4::loopback(), 0};

/** The text of what fetch() throws. */
std::string failure_of(const std::string& endpoint, Milliseconds timeout = 10s)
{
    try {
        (void)fetch(endpoint, {}, timeout);
        return "";
    } catch (const std::system_error& e) {
        return e.what();
    }
}

TEST(Fetch, SendsARequestAndReadsTheAnswer)
{
    TcpAnswer server{any_loopback_port,
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nX-Thing: a\r\nContent-Length: 2\r\n\r\nok"};
    const std::string endpoint = endpoint_of(server);
    const ClientResponse response = fetch(endpoint,
        {.method = "POST", .target = "/hooks/x?a=b", .fields = {{"X-GitHub-Event", "push"}}, .body = "abc"}, 10s);
    EXPECT_EQ(response.status, 202);
    EXPECT_EQ(response.body, "ok");
    EXPECT_EQ(response.field("x-thing"), "a");
    EXPECT_EQ(response.field("x-other"), "");
    EXPECT_EQ(server.head(), "POST /hooks/x?a=b HTTP/1.1\r\nHost: " + endpoint +
                                 "\r\nConnection: close\r\nX-GitHub-Event: push\r\nContent-Length: 3\r\n\r\nabc");
}

TEST(Fetch, ReadsAnAnswerThatEndsWithTheConnection)
{
    TcpAnswer server{any_loopback_port, "HTTP/1.0 200 OK\r\n\r\nuntil the end"};
    EXPECT_EQ(fetch(endpoint_of(server), {}, 10s).body, "until the end");
}

TEST(Fetch, ReadsNoBodyAfterHead)
{
    TcpAnswer server{any_loopback_port, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"};
    EXPECT_EQ(fetch(endpoint_of(server), {.method = "HEAD", .target = "/", .fields = {}, .body = {}}, 10s).status, 200);
}

TEST(Fetch, GoesOverUnixSockets)
{
    std::string directory = (std::filesystem::temp_directory_path() / "belay-client-XXXXXX").string();
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    {
        const std::string path = directory + "/s";
        OneAnswer<asio::local::stream_protocol> server{path, "HTTP/1.1 204 No Content\r\n\r\n"};
        EXPECT_EQ(fetch("unix:" + path, {}, 10s).status, 204);
        EXPECT_NE(server.head().find("\r\nHost: localhost\r\n"), std::string::npos);
    }
    std::filesystem::remove_all(directory);
}

TEST(Fetch, SaysWhatFailedAndWhere)
{
    EXPECT_EQ(failure_of("unix:/nonexistent/control.sock"),
        "cannot connect to unix:/nonexistent/control.sock: No such file or directory");
    EXPECT_NE(failure_of("unix:/" + std::string(200, 'x')).find("cannot connect to unix:/x"), std::string::npos);
    for (const char* malformed : {"", "host", ":80", "host:"})
        EXPECT_NE(failure_of(malformed).find("is neither host:port nor unix:/path"), std::string::npos) << malformed;
    {
        asio::io_context io; // a port that was free a moment ago
        const auto port = asio::ip::tcp::acceptor{io, any_loopback_port}.local_endpoint().port();
        const std::string endpoint = "127.0.0.1:" + std::to_string(port);
        EXPECT_EQ(failure_of(endpoint), "cannot connect to " + endpoint + ": Connection refused");
    }
    TcpAnswer server{any_loopback_port, "HTTP/1.1 2"};
    EXPECT_NE(failure_of(endpoint_of(server)).find("no answer from 127.0.0.1:"), std::string::npos);
}

TEST(Fetch, GivesUpAtTheDeadline)
{
    TcpAnswer server{any_loopback_port, ""};
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(
        failure_of(endpoint_of(server), 500ms), "no answer from " + endpoint_of(server) + ": Connection timed out");
    EXPECT_LT(std::chrono::steady_clock::now() - start, 10s);
}

TEST(Fetch, RefusesWhatWouldForgeAHead)
{
    const auto refused = [](ClientRequest request) {
        EXPECT_THROW((void)fetch("127.0.0.1:1", request, 1s), std::invalid_argument);
    };
    refused({.method = "GET", .target = "/ HTTP/1.1\r\nX: y", .fields = {}, .body = {}});
    refused({.method = "G T", .target = "/", .fields = {}, .body = {}});
    refused({.method = "GET", .target = "/", .fields = {{"A", "b\r\nC: d"}}, .body = {}});
    refused({.method = "GET", .target = "/", .fields = {{"A: b", "c"}}, .body = {}});
}

} // namespace
} // namespace belay::http
