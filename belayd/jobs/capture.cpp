#include "belayd/jobs/capture.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace belay::jobs {
namespace {

constexpr std::size_t chunk_size = 65536; // a pipe's capacity unless it was changed, pipe(7)

} // namespace

Capture::Capture(const asio::any_io_executor& executor, HandedStream stream, Bytes limit)
    : pipe_(executor), limit_(limit), captured_(std::move(stream.captured)), ended_(!stream.pipe)
{
    if (ended_)
        return;
    pipe_.assign(stream.pipe.get()); // throws without having taken it over
    (void)stream.pipe.release();
    pipe_.native_non_blocking(true);
}

void Capture::start()
{
    if (ended_)
        return;
    pipe_.async_wait(asio::posix::stream_descriptor::wait_read, [self = shared_from_this()](error_code ec) {
        if (ec || self->ended_)
            return;
        self->read_once(chunk_size); // one chunk a turn: a noisy job does not hold up the others
        if (!self->ended_)
            self->start();
    });
}

void Capture::finish()
{
    int waiting = 0;
    if (!ended_ && ::ioctl(pipe_.native_handle(), FIONREAD, &waiting) == 0)
        for (std::size_t left = static_cast<std::size_t>(std::max(waiting, 0)); left > 0 && !ended_;)
            left -= read_once(left);
    error_code ignored;
    pipe_.close(ignored);
    ended_ = true;
}

HandedStream Capture::hand_over()
{
    HandedStream handed{{}, take()};
    if (!ended_)
        handed.pipe = UniqueFd{pipe_.release()};
    error_code ignored;
    pipe_.close(ignored);
    ended_ = true; // for a handler that is on its way
    return handed;
}

std::size_t Capture::read_once(std::size_t most)
{
    std::array<char, chunk_size> chunk; // NOLINT(*-member-init): filled by read()
    const ssize_t got = ::read(pipe_.native_handle(), chunk.data(), std::min(most, chunk.size()));
    if (got <= 0) {
        ended_ = got == 0 || (errno != EAGAIN && errno != EINTR);
        return 0;
    }
    const std::size_t size = static_cast<std::size_t>(got);
    const std::size_t kept = static_cast<std::size_t>(std::min<Bytes>(size, limit_ - captured_.text.size()));
    captured_.text.append(chunk.data(), kept);
    captured_.dropped += size - kept;
    return size;
}

} // namespace belay::jobs
