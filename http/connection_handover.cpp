// How a connection passes from one server to the next.
#include "base/free_memory.hpp"
#include "http/connection.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace belay::http {

void Connection::freeze() noexcept
{
    freezing_ = true;
    if (!waiting_)
        return;
    interruption_ = Wake::frozen;
    error_code ec;
    socket_.cancel(ec);
}

void Connection::thaw() noexcept
{
    freezing_ = false;
    freeze_given_up_ = true;
}

void Connection::hand_over()
{
    std::string input = unanswered_input();
    std::optional<Milliseconds> linger;
    if (close_)
        linger = std::chrono::ceil<Milliseconds>(linger_time());
    error_code ec;
    UniqueFd fd{socket_.release(ec)};
    if (ec)
        return;
    loop_.hand_over({.fd = std::move(fd),
        .listener = *listener_,
        .input = std::move(input),
        .output = std::move(output_),
        .served_any = served_any_,
        .unanswered = unanswered_,
        .linger = linger});
}

/** All that was read since the last answer, so that a successor can begin with the head again. */
std::string Connection::unanswered_input() const
{
    if (close_)
        return {};
    std::string input = kept_request_;
    if (!raw_head_.empty())
        input.append(raw_head_).append(decoder_ ? decoder_->replay(body_) : body_.substr(0, body_received_));
    return input.append(input_.unread()).append(carried_, carried_read_);
}

/** Of a request that was read to its end and is not answered here. */
void Connection::keep_request(const Request& request)
{
    kept_request_.assign(raw_head_).append(decoder_ ? decoder_->replay(body_) : request.body);
}

void Connection::resume(const HandedConnection& handed)
{
    carried_ = handed.input;
    output_ = handed.output;
    served_any_ = handed.served_any;
    left_by_predecessor_ = handed.unanswered;
    close_ = handed.linger.has_value();
    linger_left_ = handed.linger;
}

std::size_t Connection::read_carried(char* data, std::size_t size) noexcept
{
    const std::size_t count = std::min(size, carried_.size() - carried_read_);
    std::memcpy(data, carried_.data() + carried_read_, count);
    carried_read_ += count;
    if (carried_read_ == carried_.size() && !carried_.empty()) {
        free_memory(carried_);
        carried_read_ = 0;
    }
    return count;
}

} // namespace belay::http
