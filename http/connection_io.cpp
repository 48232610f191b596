// How a connection waits for its peer: bodies, writing, lingering, deadlines, draining.
#include "http/connection.hpp"

#include <boost/asio/buffer.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

namespace belay::http {
namespace {

using namespace std::chrono_literals;

/**
 * How much room to make, and to take from the budget, for a body of which `received` bytes have come: as much again, so
 * that a client must send what it wants to occupy.  A size that it merely claims costs next to nothing.
 */
Bytes room_for_more(Bytes received)
{
    return std::clamp<Bytes>(received, 4_KiB, 64_KiB);
}

/** A kept output buffer is not larger than this. */
constexpr std::size_t kept_output = 128_KiB;

/** Where a drain holds connections for longer than configured, because round trips take that long: not beyond this. */
constexpr auto longest_hold = 1s;

constexpr std::string_view continue_line = "HTTP/1.1 100 Continue\r\n\r\n";

} // namespace

/** Whether there is nothing to wait for: no body, or all of it is here, and stays where it is. */
bool Connection::find_body(Request& request, const AwaitedBody& body)
{
    if (body.framing == Framing::none)
        return true;
    if (body.framing == Framing::chunked || input_.unread().size() < body.size)
        return false;
    request.body = input_.unread().substr(0, body.size);
    input_.consume(body.size);
    return true;
}

/** Completes `request`, or sets its rejection; false: the peer is gone. */
asio::awaitable<bool> Connection::read_body(Request& request, AwaitedBody body)
{
    if (body.expects_continue && input_.unread().empty())
        output_ += continue_line;
    asio::awaitable<bool> reading =
        body.framing == Framing::chunked ? read_chunked_body(request, body.limit) : read_sized_body(request, body.size);
    const bool there = co_await std::move(reading);
    last_activity_ = Clock::now();
    co_return there;
}

asio::awaitable<bool> Connection::read_sized_body(Request& request, Bytes size)
{
    body_.reserve(size);
    body_ = input_.unread();
    input_.consume(body_.size());
    std::size_t filled = body_.size();
    body_start_ = Clock::now();
    body_received_ = filled;
    while (filled < size) {
        if (filled == body_.size()) {
            const Bytes next = std::min<Bytes>(size, filled + room_for_more(filled));
            if (!reserve(next - reserved_, request))
                co_return true;
            body_.resize(static_cast<std::size_t>(next));
        }
        if (!co_await receive_body(body_.data() + filled, body_.size() - filled, request))
            co_return false;
        if (request.rejection)
            co_return true;
        filled += received_;
    }
    request.body = body_;
    co_return true;
}

asio::awaitable<bool> Connection::read_chunked_body(Request& request, Bytes limit)
{
    decoder_.emplace(limit);
    body_start_ = Clock::now();
    body_received_ = input_.unread().size();
    for (;;) {
        std::string_view input = input_.unread();
        const Bytes at_most = std::min<Bytes>(limit, body_.size() + input.size());
        if (at_most > reserved_ && !reserve(at_most - reserved_, request))
            co_return true;
        const auto status = decoder_->decode(input, body_);
        input_.consume(input_.unread().size() - input.size());
        if (status == ChunkedDecoder::Status::rejected) {
            request.rejection = decoder_->rejection();
            co_return true;
        }
        if (status == ChunkedDecoder::Status::complete) {
            request.body = body_;
            co_return true;
        }
        char* const space = input_.space();
        if (!co_await receive_body(space, input_.space_size(), request))
            co_return false;
        if (request.rejection)
            co_return true;
        input_.produced(received_);
    }
}

/** Receives some of a body, unless the deadline rejects the request; false: the peer is gone. */
asio::awaitable<bool> Connection::receive_body(char* data, std::size_t size, Request& request)
{
    if (!output_.empty()) {
        if (!co_await flush())
            co_return false;
        set_state(ConnectionState::partial);
    }
    const auto earned = std::chrono::seconds{body_received_ / std::max<Bytes>(limits().body_rate, 1)};
    deadline_ = body_start_ + limits().body_timeout + earned;
    heed_drain();
    const Wake wake = co_await receive(data, size);
    if (wake == Wake::expired) {
        request.rejection = Rejection{.status = 408, .detail = "The body did not arrive in time.", .fields = {}};
        co_return true;
    }
    if (wake == Wake::frozen)
        ending_ = Ending::hand_over;
    body_received_ += received_;
    co_return wake == Wake::data;
}

bool Connection::reserve(Bytes bytes, Request& request)
{
    BodyBudget* const budget = loop_.context().options.bodies;
    if (budget == nullptr)
        return true;
    if (!budget->try_reserve(bytes)) {
        request.rejection = Rejection{.status = 503,
            .detail = "Too many bodies are being received; try again.",
            .fields = {{"Retry-After", "1"}}};
        return false;
    }
    reserved_ += bytes;
    return true;
}

/** Waits for bytes until deadline_, or until a freeze wants to know. */
asio::awaitable<Connection::Wake> Connection::receive(char* data, std::size_t size)
{
    received_ = read_carried(data, size);
    if (received_ > 0)
        co_return Wake::data;
    if (freezing_)
        co_return Wake::frozen;
    error_code ec;
    do { // again if it was to be frozen and no longer is
        interruption_ = Wake::data;
        waiting_ = true;
        received_ =
            co_await socket_.async_read_some(asio::buffer(data, size), asio::redirect_error(asio::use_awaitable, ec));
        waiting_ = false;
    } while (ec && interruption_ == Wake::frozen && !freezing_);
    if (!ec)
        co_return Wake::data;
    if (ec == asio::error::operation_aborted && interruption_ != Wake::data)
        co_return interruption_;
    co_return ec == asio::error::eof ? Wake::eof : Wake::failed;
}

/** Writes output_; false: the peer is gone, or took nothing for the write timeout, or a freeze leaves it the rest. */
asio::awaitable<bool> Connection::flush()
{
    set_state(ConnectionState::responding);
    std::size_t sent = 0;
    while (sent < output_.size()) {
        error_code ec;
        sent += socket_.write_some(asio::buffer(output_.data() + sent, output_.size() - sent), ec);
        if (ec == asio::error::would_block || ec == asio::error::try_again) {
            if (freezing_) {
                output_.erase(0, sent);
                ending_ = Ending::hand_over;
                co_return false;
            }
            deadline_ = Clock::now() + limits().write_timeout;
            interruption_ = Wake::data;
            waiting_ = true;
            co_await socket_.async_wait(Socket::wait_write, asio::redirect_error(asio::use_awaitable, ec));
            waiting_ = false;
            if (interruption_ == Wake::frozen)
                continue;
        }
        if (!ec)
            continue;
        if (interruption_ == Wake::expired) { // nobody reads: let the kernel not keep the rest for minutes either
            socket_.set_option(Socket::linger{true, 0}, ec);
        }
        co_return false;
    }
    last_activity_ = Clock::now();
    output_.clear();
    if (output_.capacity() > kept_output)
        output_.shrink_to_fit();
    co_return true;
}

/** What is answered does not wait for the answer to the next request.  What the peer does not take now, flush() sends.
 */
void Connection::send_ahead() noexcept
{
    if (output_.empty())
        return;
    error_code ec;
    output_.erase(0, socket_.write_some(asio::buffer(output_), ec));
}

/**
 * Half-closes, then reads and discards until the peer closes too: a close() with bytes unread sends a reset, which can
 * destroy the answer on its way (RFC 9112 §9.6).
 */
asio::awaitable<void> Connection::linger()
{
    count_request(false);
    close_ = true; // for the peer, too: what it sends from now on it does not expect to be served
    error_code ec;
    socket_.shutdown(Socket::shutdown_send, ec);
    if (ec)
        co_return;
    input_.consume(input_.unread().size());
    input_.unpin();
    deadline_ = Clock::now() + linger_time();
    Bytes discarded = 0;
    while (discarded < limits().linger_bytes) {
        char* const space = input_.space();
        const Wake wake = co_await receive(space, input_.space_size());
        if (wake == Wake::frozen) {
            ending_ = Ending::hand_over;
            linger_left_ = std::max<Clock::duration>(deadline_ - Clock::now(), 0ms);
        }
        if (wake != Wake::data)
            co_return;
        discarded += received_;
        input_.produced(received_);
        input_.consume(received_);
    }
}

/** Whether a request came in just when the connection was to be closed for having none. */
bool Connection::last_chance_read()
{
    error_code ec;
    char* const space = input_.space();
    const std::size_t size = socket_.read_some(asio::buffer(space, input_.space_size()), ec);
    if (ec || size == 0)
        return false;
    input_.produced(size);
    return true;
}

void Connection::enforce_deadline(Clock::time_point now) noexcept
{
    if (!waiting_ || now < deadline_)
        return;
    interruption_ = Wake::expired;
    error_code ec;
    socket_.cancel(ec);
}

/** Nothing is read while a request is handled, so that a peer that goes away shows only here. */
void Connection::look_for_peer()
{
    if (!on_leave_)
        return;
    pollfd peer{.fd = socket_.native_handle(), .events = POLLRDHUP, .revents = 0};
    if (::poll(&peer, 1, 0) > 0)
        std::exchange(on_leave_, {})();
}

/**
 * How long after an answer the next request may still come: what crosses a half-close on its way is lost, and most
 * clients do not repeat a POST.  The answer has to get there, the client to react and its request to get here.  Where
 * a proxy stands between, only the round trip to the proxy can be known, and the minimum has to cover the rest.
 */
Connection::Clock::duration Connection::drain_hold() noexcept
{
    const Clock::duration least = limits().drain_hold;
    Clock::duration round_trips = 0ms;
    tcp_info info{};
    socklen_t size = sizeof info;
    if (socket_.is_open() && ::getsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0)
        round_trips = 2 * std::chrono::microseconds{info.tcpi_rtt};
    return std::clamp<Clock::duration>(round_trips, least, std::max<Clock::duration>(least, longest_hold));
}

/**
 * After a close that both sides know of, the peer gets this long to close its end: longer, and it is gone.  A request
 * that crosses our half-close arrives in the time of a hold.  This costs only with a peer that does not close.
 */
Connection::Clock::duration Connection::courtesy_linger() const noexcept
{
    return std::min<Clock::duration>(limits().linger_timeout, std::max<Clock::duration>(limits().close_timeout, hold_));
}

Connection::Clock::duration Connection::linger_time() const noexcept
{
    if (linger_left_)
        return *linger_left_;
    return rejected_ ? limits().linger_timeout : courtesy_linger();
}

void Connection::begin_drain(Clock::time_point end) noexcept
{
    if (!draining_)
        hold_ = drain_hold();
    draining_ = true;
    last_call_ = std::min(last_call_, end - courtesy_linger());
    if (waiting_ && (awaiting_request_ || state_ == ConnectionState::partial))
        heed_drain();
}

/**
 * The wait for a request ends earlier in a drain: the next one's with the hold, and any while it can still be answered.
 * The hold counts from the last answer.  While a drain still accepts, for the sake of its jobs or of a balancer, idle
 * connections stay, and what is asked on one is answered with `Connection: close`.  So those that are left when the
 * doors are shut have mostly been idle for longer than the hold: they take no time from the restart.
 */
void Connection::heed_drain() noexcept
{
    if (!draining_)
        return;
    deadline_ = std::min(deadline_, last_call_);
    if (awaiting_request_)
        deadline_ = std::min(deadline_, last_activity_ + hold_);
}

void Connection::abort() noexcept
{
    error_code ec;
    socket_.close(ec);
}

} // namespace belay::http
