#pragma once
// A real server on loops of its own threads, and a client that sends what it is told to, byte by byte.
#include "http/server.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/steady_timer.hpp>
#include <gtest/gtest.h>

#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace belay::http {

inline constexpr std::string_view get_root = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/** One connection to a server, blocking, with a deadline of 10 s on everything. */
class TestClient {
public:
    /** Connects to a port of 127.0.0.1. */
    explicit TestClient(std::uint16_t port, int receive_buffer = 0);

    /** Connects to "unix:/path". */
    explicit TestClient(const std::string& unix_spec);

    [[nodiscard]] bool connected() const { return static_cast<bool>(socket_); }

    void send(std::string_view bytes);
    /** As much of it as the peer takes before it closes; whether all of it. */
    bool try_send(std::string_view bytes);
    void shut_down_sending();
    /** Closes with a reset. */
    void reset();
    void close() { socket_.reset(); }

    struct Answer {
        int status = 0;
        std::string head;
        std::string body;
        [[nodiscard]] bool closes() const { return head.find("\r\nConnection: close\r\n") != std::string::npos; }
        [[nodiscard]] bool has(std::string_view text) const { return head.find(text) != std::string::npos; }
    };
    /** Status 0 if the connection ends or 10 s pass before a whole answer. */
    [[nodiscard]] Answer receive(bool head_only = false);

    /** Reads `size` bytes of what receive() will return, or all there are, evenly over that time. */
    void read_ahead_slowly(std::size_t size, std::chrono::milliseconds time);

    enum class End : std::uint8_t { eof, reset, timeout, data };
    /** What comes next, if not data: the end of the stream, or a reset. */
    [[nodiscard]] End receive_end();

private:
    [[nodiscard]] bool receive_some();

    UniqueFd socket_;
    std::string received_;
};

/** A server and the threads of its loops; the test's thread is its control thread. */
class TestServer {
public:
    explicit TestServer(unsigned loops = 1, Limits limits = {}, BodyBudget* bodies = nullptr);
    ~TestServer();
    TestServer(const TestServer&) = delete;
    TestServer& operator=(const TestServer&) = delete;
    TestServer(TestServer&&) = delete;
    TestServer& operator=(TestServer&&) = delete;

    Router router; ///< to be filled before start(), as is:
    Middleware middleware;

    /** Listens on a port of 127.0.0.1 and serves. */
    void start();
    [[nodiscard]] Server& server() { return *server_; }
    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] TestClient connect(int receive_buffer = 0) const { return TestClient{port_, receive_buffer}; }

    /** Runs `task` on the control thread to its end. */
    void run(asio::awaitable<void> task);

    /** What an answer to GET / brings, over a connection of its own: the proof that the server lives. */
    [[nodiscard]] int probe() const;

    [[nodiscard]] std::vector<std::string> warnings() const;

private:
    using Work = asio::executor_work_guard<asio::io_context::executor_type>;

    Limits limits_;
    BodyBudget* bodies_;
    asio::io_context control_{1};
    std::vector<std::unique_ptr<asio::io_context>> loops_;
    std::vector<Work> work_;
    std::vector<std::thread> threads_;
    mutable std::mutex mutex_; // guards warnings_
    std::vector<std::string> warnings_;
    std::unique_ptr<Server> server_;
    std::uint16_t port_ = 0;
};

/** Waits until `holds()`, for 10 s at most; whether it does. */
template <class Condition>
[[nodiscard]] bool eventually(Condition holds)
{
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{10};
    while (!holds()) {
        if (std::chrono::steady_clock::now() > deadline)
            return false;
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    return true;
}

/** Its connections, whatever their state. */
[[nodiscard]] inline std::size_t total(const Server& server)
{
    std::size_t sum = 0;
    for (const std::size_t count : server.connections())
        sum += count;
    return sum;
}

/** A handler that answers when the gate is opened. */
struct Gate {
    std::atomic<bool> open{false};
    std::atomic<int> entered{0};

    asio::awaitable<Response> pass(Request&)
    {
        ++entered;
        asio::steady_timer timer{co_await asio::this_coro::executor};
        while (!open) {
            timer.expires_after(std::chrono::milliseconds{2});
            co_await timer.async_wait(asio::use_awaitable);
        }
        co_return text_response(200, "passed");
    }
    Handler handler()
    {
        return [this](Request& request) { return pass(request); };
    }
};

/** Where a socket of IPv4 listens. */
[[nodiscard]] std::uint16_t port_of(const ListeningSocket& socket);

/** As long as it lives, the process gets no descriptor more, but in the place of one that is closed meanwhile. */
class NoDescriptors {
public:
    /** @return why this build cannot be tested so, or nullptr */
    [[nodiscard]] static const char* impossible() noexcept;
    NoDescriptors();
    ~NoDescriptors();
    NoDescriptors(const NoDescriptors&) = delete;
    NoDescriptors& operator=(const NoDescriptors&) = delete;
    NoDescriptors(NoDescriptors&&) = delete;
    NoDescriptors& operator=(NoDescriptors&&) = delete;

private:
    rlimit before_{};
};

/** A handler that answers at once. */
[[nodiscard]] Handler answer_with(int status, std::string body);

} // namespace belay::http
