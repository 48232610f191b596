#include "http/connection.hpp"

#include "base/free_memory.hpp"
#include "base/probe.hpp"
#include "http/head_parser.hpp"
#include "http/response_writer.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

namespace belay::http {
namespace {

using namespace std::chrono_literals;

/** Answers of pipelined requests are collected up to this and then written. */
constexpr std::size_t output_high_water = 64_KiB;

/** Buffers that grew beyond this are given back after the request. */
constexpr std::size_t kept_capacity = 64_KiB;

std::size_t window_of(const Limits& limits)
{
    return static_cast<std::size_t>(std::max<Bytes>(16_KiB, 2 * limits.header_bytes));
}

/** To a count of this loop's alone; modulo 2^64. */
void add(std::atomic<std::size_t>& count, std::size_t n) noexcept
{
    count.store(count.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

} // namespace

Connection::Connection(ServerLoop& loop, Accepted accepted)
    : loop_(loop), accepted_(std::move(accepted.fd)), socket_(loop.io()), place_(std::move(accepted.place)),
      listener_(std::move(accepted.listener)), limits_(loop.limits()), input_(window_of(*limits_)), scanner_(*limits_),
      last_activity_(Clock::now())
{
    if (accepted.handed)
        resume(*accepted.handed);
    loop_.enter(*this);
}

Connection::~Connection()
{
    count_request(false);
    if (reserved_ > 0)
        loop_.context().options.bodies->release(reserved_);
    loop_.leave(*this, state_);
}

asio::awaitable<void> Connection::serve(std::unique_ptr<Connection> connection)
{
    try {
        if (!connection->open())
            co_return;
        if (connection->place_.over_cap())
            co_await connection->refuse();
        else
            co_await connection->run();
        if (connection->ending_ == Ending::hand_over)
            connection->hand_over();
    } catch (const boost::system::system_error& e) {
        if (e.code() != asio::error::operation_aborted)
            connection->loop_.context().warn(std::string{"connection ended: "} + e.what());
    } catch (const std::exception& e) {
        connection->loop_.context().warn(std::string{"connection ended: "} + e.what());
    }
}

bool Connection::open() noexcept
{
    error_code ec;
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getsockname(accepted_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
        return false;
    socket_.assign({address.ss_family, 0}, accepted_.get(), ec);
    if (ec)
        return false;
    (void)accepted_.release();
    socket_.non_blocking(true, ec); // so that write_some() says would_block instead of waiting
    if (address.ss_family != AF_UNIX) {
        const int on = 1;
        (void)::setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    return !ec;
}

asio::awaitable<void> Connection::refuse()
{
    Response response = problem_response(503, "Too many connections; try again later.");
    response.fields.emplace_back("Retry-After", "1");
    close_ = true;
    append_response(output_, response, {.close = true, .date = loop_.date()});
    if (co_await flush())
        co_await linger();
}

asio::awaitable<void> Connection::run()
{
    Request request;
    while (!close_ && !unanswered_) { // without co_await: GCC 12 forgets the rest of a loop's condition beside one
        begin_head();
        if (!find_head() && !co_await wait_for_head())
            break;
        request.reset();
        const AwaitedBody body = begin_request(request);
        if (!find_body(request, body) && !co_await read_body(request, body))
            co_return; // it broke off in the middle of a body: there is nobody to answer
        set_state(ConnectionState::in_flight);
        BELAY_PROBE(request_start, this, request.method.data(), request.method.size(), request.target.data(),
            request.target.size());
        Answer answer = ask(request);
        if (auto* const awaited = std::get_if<asio::awaitable<Response>>(&answer)) {
            send_ahead();
            asio::awaitable<Response> whole = wait_for_answer(request, std::move(*awaited));
            answer = co_await std::move(whole);
        }
        finish_request(request, std::get<Response>(answer));
        if (output_.size() > output_high_water && !co_await flush())
            co_return;
    }
    if (unanswered_)
        ending_ = Ending::hand_over;
    if (close_ && co_await flush())
        ending_ = Ending::linger;
    if (ending_ == Ending::linger)
        co_await linger();
}

void Connection::begin_head()
{
    input_.unpin();
    raw_head_ = {};
    scanner_.reset();
    blank_line_seen_ = false;
}

/** Whether head_ is decided by what is here already. */
bool Connection::find_head()
{
    if (freezing_)
        return false;
    if (!blank_line_seen_ && input_.unread().starts_with("\r\n")) { // one is ignored, RFC 9112 §2.2
        blank_line_seen_ = true;
        input_.consume(2);
    }
    if (!blank_line_seen_ && input_.unread() == "\r")
        return false;
    head_ = scanner_.scan(input_.unread());
    return head_.size > 0 || head_.rejection;
}

/** Waits until head_ is decided; false: there will be none, and ending_ says how to go. */
asio::awaitable<bool> Connection::wait_for_head()
{
    auto head_deadline = Clock::time_point::max();
    do {
        if (freezing_) {
            if (output_.empty() || co_await flush())
                ending_ = Ending::hand_over;
            co_return false;
        }
        if (!output_.empty()) {
            if (!co_await flush())
                co_return false;
            // Reads are speculative, and what answers an answer cannot be here yet: let others go first.
            co_await asio::post(socket_.get_executor(), asio::use_awaitable);
        }

        awaiting_request_ = input_.unread().empty();
        if (awaiting_request_) {
            set_state(served_any_ ? ConnectionState::idle : ConnectionState::fresh);
            deadline_ = last_activity_ + (served_any_ ? limits().idle_timeout : limits().header_timeout);
        } else {
            set_state(ConnectionState::partial);
            if (head_deadline == Clock::time_point::max())
                head_deadline = Clock::now() + limits().header_timeout;
            deadline_ = head_deadline;
        }
        heed_drain();

        char* const space = input_.space();
        const Wake wake = co_await receive(space, input_.space_size());
        awaiting_request_ = false;
        switch (wake) {
        case Wake::data:
            input_.produced(received_);
            break;
        case Wake::frozen:
            break;
        case Wake::expired:
            if (!input_.unread().empty()) {
                head_.rejection =
                    Rejection{.status = 408, .detail = "The request header did not arrive in time.", .fields = {}};
                last_activity_ = Clock::now();
                co_return true;
            }
            if (!last_chance_read()) {
                ending_ = Ending::linger;
                co_return false;
            }
            break;
        case Wake::eof:
        case Wake::failed:
            co_return false;
        }
    } while (!find_head());
    last_activity_ = Clock::now();
    co_return true;
}

/** Begins `request` with head_, or sets its rejection. @return the body that it has */
Connection::AwaitedBody Connection::begin_request(Request& request)
{
    set_state(ConnectionState::partial);
    request.peer = &place_.peer();
    request.caller = this;
    request.listener = *listener_;
    request.loop = loop_.index();
    request.left_by_predecessor = std::exchange(left_by_predecessor_, false);
    keep_alive_ = true;
    http_1_0_ = false;
    if (head_.rejection) {
        request.rejection = std::move(head_.rejection);
        return {};
    }
    const std::string_view raw = input_.unread().substr(0, head_.size);
    input_.consume(head_.size);
    input_.pin();
    raw_head_ = raw;
    return judge_head(raw, request);
}

/** Everything that can be said about a request before its body. */
Connection::AwaitedBody Connection::judge_head(std::string_view raw, Request& request)
{
    Head head;
    request.rejection = parse_head(raw, head, fields_);
    request.method = head.method;
    request.target = head.target;
    if (request.rejection)
        return {};
    request.fields = fields_;
    HeadVerdict verdict = apply_header_policy(head, limits());
    request.path = verdict.path;
    request.query = verdict.query;
    keep_alive_ = verdict.keep_alive;
    http_1_0_ = head.http_1_0;
    if (verdict.rejection) {
        request.rejection = std::move(verdict.rejection);
        return {};
    }
    Admission admission = loop_.context().options.router->admit(request);
    if (Rejection* const rejection = std::get_if<Rejection>(&admission)) {
        request.rejection = std::move(*rejection);
        return {};
    }
    const Bytes limit = std::get<Bytes>(admission);
    if (verdict.content_length > limit) {
        request.rejection = Rejection{.status = 413, .detail = "The body is too large.", .fields = {}};
        return {};
    }
    return {verdict.framing, verdict.content_length, limit, verdict.expects_continue};
}

/** The answer, or what is to be waited for. */
Answer Connection::ask(Request& request)
{
    const Server::Options& options = loop_.context().options;
    freeze_given_up_ = false;
    try {
        for (const Step& step : options.middleware.steps)
            step(request);
        return options.handler(request);
    } catch (...) {
        return failure(request);
    }
}

asio::awaitable<Response> Connection::wait_for_answer(Request& request, asio::awaitable<Response> answer)
{
    Response response;
    try {
        response = co_await std::move(answer);
        if (response.left_to_successor && freeze_given_up_) { // there is none: asked again here
            request.left_by_predecessor = true;
            Answer again = loop_.context().options.handler(request);
            if (auto* const awaited = std::get_if<asio::awaitable<Response>>(&again))
                again = co_await std::move(*awaited);
            response = std::get<Response>(std::move(again));
        }
    } catch (...) {
        response = failure(request);
    }
    co_return response;
}

/** Of the exception that is being handled: a 500 that names the request id and nothing else. */
Response Connection::failure(const Request& request) const
{
    if (const auto& report = loop_.context().options.middleware.on_exception) {
        try {
            throw;
        } catch (const std::exception& e) {
            report(request, e.what());
        } catch (...) {
            report(request, "an exception that is not a std::exception");
        }
    }
    Response response = problem_response(500, "belay failed to answer this request; its log says why.");
    if (!request.id.empty() && response.body.ends_with('}')) {
        response.body.pop_back();
        response.body += R"(,"request_id":")" + request.id + "\"}"; // as assign_id() leaves it: nothing to escape
    }
    return response;
}

/** Shows the answer to the observers, serialises it and forgets the request. */
void Connection::finish_request(const Request& request, const Response& response)
{
    const auto now = Clock::now();
    const Exchange exchange{
        .request = request, .response = response, .duration = now - std::exchange(last_activity_, now)};
    unanswered_ = response.left_to_successor;
    if (!unanswered_) { // else it is answered, and counted, elsewhere
        for (const Observer& observe : loop_.context().options.middleware.observers)
            observe(exchange);
        BELAY_PROBE(request_end, this, response.status, response.body.size());
    }
    on_leave_ = {};
    if (unanswered_)
        keep_request(request);
    raw_head_ = {};
    decoder_.reset();
    rejected_ = request.rejection.has_value();
    // Who has already sent more requests gets them answered first: an answer with `close` would disown them.
    const bool server_closes = draining_ || loop_.context().closing.load(std::memory_order_relaxed);
    const bool has_sent_more = !input_.unread().empty() || !carried_.empty();
    close_ = !unanswered_ && (rejected_ || response.close || !keep_alive_ || (server_closes && !has_sent_more));
    if (!unanswered_)
        append_response(output_, response,
            {.head_only = request.method == "HEAD",
                .close = close_,
                .keep_alive_1_0 = http_1_0_,
                .date = loop_.date(),
                .request_id = request.id});
    served_any_ = true;
    forget_body();
}

void Connection::release_body(Request& request) noexcept
{
    request.released_body += request.body.size();
    request.body = {};
    forget_body();
}

void Connection::forget_body() noexcept
{
    body_.clear();
    if (body_.capacity() > kept_capacity)
        free_memory(body_);
    if (reserved_ > 0)
        loop_.context().options.bodies->release(std::exchange(reserved_, 0));
}

void Connection::set_state(ConnectionState state) noexcept
{
    auto& by_state = loop_.counts.by_state;
    add(by_state[static_cast<std::size_t>(state_)], std::size_t(-1));
    add(by_state[static_cast<std::size_t>(state)], 1);
    state_ = state;
    count_request(state != ConnectionState::fresh && state != ConnectionState::idle);
}

void Connection::count_request(bool counts) noexcept
{
    if (counts == counts_as_request_)
        return;
    counts_as_request_ = counts;
    add(loop_.counts.requests, counts ? 1 : std::size_t(-1));
    if (counts)
        add(loop_.counts.requests_begun, 1);
}

} // namespace belay::http
