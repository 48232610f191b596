#pragma once
#include "http/chunked_decoder.hpp"
#include "http/head_scanner.hpp"
#include "http/header_policy.hpp"
#include "http/read_buffer.hpp"
#include "http/server_loop.hpp"

#include <boost/asio/generic/stream_protocol.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace belay::http {

/**
 * One client: reads requests, has them answered, writes the answers, one after the other.
 *
 * Every wait on the peer has a deadline, which the loop's sweep enforces: a timer per operation would cost more than
 * the operation.  After a rejection nothing that the peer sent is parsed any more.
 *
 * Lifetime: owned by the frame of serve(); borrows the loop.
 * Threads: confined to the loop.
 */
class Connection final : public Caller {
public:
    using Clock = ServerLoop::Clock;

    Connection(ServerLoop& loop, Accepted accepted);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    Connection(Connection&&) = delete;
    Connection& operator=(Connection&&) = delete;
    ~Connection();

    /** Serves the peer to its end.  A coroutine takes the connection over, so that it is counted from its first moment.
     */
    [[nodiscard]] static asio::awaitable<void> serve(std::unique_ptr<Connection> connection);

    [[nodiscard]] const ListenerTag& listener() const noexcept { return listener_; }
    [[nodiscard]] bool draining() const noexcept { return draining_; }
    [[nodiscard]] bool waiting() const noexcept { return waiting_; } ///< for the peer

    void on_leave(std::function<void()> left) override { on_leave_ = std::move(left); }
    void release_body(Request& request) noexcept override;

    [[nodiscard]] const Limits& limits() const noexcept { return *limits_; }

    // Called by the loop:
    void look_for_peer();
    void enforce_deadline(Clock::time_point now) noexcept;
    void begin_drain(Clock::time_point end) noexcept;
    void freeze() noexcept;
    void thaw() noexcept;
    void abort() noexcept;

    std::size_t index = 0; ///< in the loop's list

private:
    using Socket = asio::generic::stream_protocol::socket;

    /** How waiting for bytes ended. */
    enum class Wake : std::uint8_t { data, eof, failed, expired, frozen };

    /** What is to be done with the socket once nothing more is served. */
    enum class Ending : std::uint8_t { close, linger, hand_over };

    /** What follows a head. */
    struct AwaitedBody {
        Framing framing = Framing::none;
        Bytes size = 0; ///< as its head says
        Bytes limit = 0;
        bool expects_continue = false;
    };

    [[nodiscard]] bool open() noexcept;
    [[nodiscard]] asio::awaitable<void> refuse();
    [[nodiscard]] asio::awaitable<void> run();
    void begin_head();
    [[nodiscard]] bool find_head();
    [[nodiscard]] asio::awaitable<bool> wait_for_head();
    [[nodiscard]] AwaitedBody begin_request(Request& request);
    [[nodiscard]] AwaitedBody judge_head(std::string_view raw, Request& request);
    [[nodiscard]] bool find_body(Request& request, const AwaitedBody& body);
    [[nodiscard]] asio::awaitable<bool> read_body(Request& request, AwaitedBody body);
    [[nodiscard]] asio::awaitable<bool> read_sized_body(Request& request, Bytes size);
    [[nodiscard]] asio::awaitable<bool> read_chunked_body(Request& request, Bytes limit);
    [[nodiscard]] asio::awaitable<bool> receive_body(char* data, std::size_t size, Request& request);
    [[nodiscard]] Answer ask(Request& request);
    [[nodiscard]] asio::awaitable<Response> wait_for_answer(Request& request, asio::awaitable<Response> answer);
    [[nodiscard]] Response failure(const Request& request) const;
    void finish_request(const Request& request, const Response& response);
    void forget_body() noexcept;

    [[nodiscard]] asio::awaitable<Wake> receive(char* data, std::size_t size);
    [[nodiscard]] asio::awaitable<bool> flush();
    void send_ahead() noexcept;
    [[nodiscard]] asio::awaitable<void> linger();
    [[nodiscard]] bool last_chance_read();
    void heed_drain() noexcept;
    [[nodiscard]] Clock::duration drain_hold() noexcept;
    [[nodiscard]] Clock::duration courtesy_linger() const noexcept;
    [[nodiscard]] Clock::duration linger_time() const noexcept;
    [[nodiscard]] bool reserve(Bytes bytes, Request& request);
    void resume(const HandedConnection& handed);
    void hand_over();
    [[nodiscard]] std::string unanswered_input() const;
    void keep_request(const Request& request);
    [[nodiscard]] std::size_t read_carried(char* data, std::size_t size) noexcept;
    void set_state(ConnectionState state) noexcept;
    void count_request(bool counts) noexcept;

    ServerLoop& loop_;
    UniqueFd accepted_; // until open()
    Socket socket_;
    const Place place_;
    const ListenerTag listener_;

    ConnectionState state_ = ConnectionState::fresh;
    bool counts_as_request_ = false;
    bool served_any_ = false;
    bool draining_ = false;
    bool freezing_ = false;            // to be handed over as soon as nothing is being handled
    bool freeze_given_up_ = false;     // while a request was being handled: it has no successor
    bool unanswered_ = false;          // the request is left to the successor
    bool left_by_predecessor_ = false; // so is the first request, to us
    bool http_1_0_ = false;            // of the current request, as is:
    bool keep_alive_ = true;           // the peer wants it
    bool close_ = false;               // the answer said so, or our end is closed
    bool rejected_ = false;
    Ending ending_ = Ending::close;
    std::optional<Clock::duration> linger_left_; // of a linger that a freeze met

    std::function<void()> on_leave_; // of the request that is being handled

    // Waiting on the socket:
    bool waiting_ = false;           // for the peer; else the deadline means nothing
    bool awaiting_request_ = false;  // no byte of the next request is there
    Wake interruption_ = Wake::data; // why the wait was cancelled, if it was
    Clock::time_point deadline_ = Clock::time_point::max();
    std::size_t received_ = 0; // by the last receive()

    // Of a drain:
    Clock::duration hold_{};                                 // of an idle connection
    Clock::time_point last_call_ = Clock::time_point::max(); // for what is to be answered

    const std::shared_ptr<const Limits> limits_; // those of when it began; before what borrows them
    ReadBuffer input_;
    HeadScanner scanner_;
    HeadScan head_;
    bool blank_line_seen_ = false; // before it
    std::vector<Field> fields_;
    std::string_view raw_head_; // of a request whose body is being read
    std::optional<ChunkedDecoder> decoder_;
    std::string body_;
    Bytes reserved_ = 0;      // of the body budget
    Bytes body_received_ = 0; // on the wire
    Clock::time_point body_start_;
    Clock::time_point last_activity_; // a request had come whole, or its answer was there, or sent; or the beginning
    std::string output_;              // answers not yet written
    std::string carried_;             // input that a predecessor had read: comes before what the socket has
    std::size_t carried_read_ = 0;
    std::string kept_request_; // what unanswered_ leaves to the successor
};

} // namespace belay::http
