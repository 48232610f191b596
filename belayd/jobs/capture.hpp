#pragma once
#include "base/asio.hpp"
#include "base/byte_size.hpp"
#include "base/unique_fd.hpp"
#include "belayd/jobs/job.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <memory>

namespace belay::jobs {

/** A stream of an attempt that nobody reads at the moment: what it has brought so far. */
struct HandedStream {
    UniqueFd pipe; ///< the reading end; none after the end of the stream
    Captured captured;
};

/**
 * Reads one stream of an attempt to its end: keeps the first `limit` bytes and counts the others, so that a command
 * which writes without bound neither blocks nor costs memory.
 *
 * Threads: confined to the executor.
 */
class Capture : public std::enable_shared_from_this<Capture> {
public:
    /** Takes over a stream, from its beginning or where another let go of it.
     *  @throws boost::system::system_error if it cannot be watched */
    Capture(const asio::any_io_executor& executor, HandedStream stream, Bytes limit);

    /** Begins to read. */
    void start();

    /** Reads what is in the pipe now and closes it, whether or not somebody still holds the other end. */
    void finish();

    /** Lets go of the stream: reads no more, and leaves what is in the pipe to whoever takes it over. */
    [[nodiscard]] HandedStream hand_over();

    /** Whether every writer has closed its end. */
    [[nodiscard]] bool ended() const noexcept { return ended_; }

    [[nodiscard]] const Captured& captured() const noexcept { return captured_; }
    [[nodiscard]] Captured take() noexcept { return std::move(captured_); }

private:
    std::size_t read_once(std::size_t most);

    asio::posix::stream_descriptor pipe_;
    Bytes limit_;
    Captured captured_;
    bool ended_ = false;
};

} // namespace belay::jobs
