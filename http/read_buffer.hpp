#pragma once
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

namespace belay::http {

/**
 * The bytes received and not yet consumed, in one piece.
 *
 * A head is parsed in place, and its views must hold while its body is read.  So requests begin in the first half,
 * the window, and pinned bytes are not moved: the other half is left to read into, whatever is pinned.
 */
class ReadBuffer {
public:
    /** @param window bytes read ahead at most; twice as many are held, but pages never written cost nothing */
    explicit ReadBuffer(std::size_t window)
        : window_(window), bytes_(std::make_unique_for_overwrite<char[]>(2 * window))
    {
    }

    [[nodiscard]] std::string_view unread() const noexcept { return {bytes_.get() + begin_, end_ - begin_}; }
    void consume(std::size_t size) noexcept { begin_ += size; }

    /** What was consumed so far stays where it is, until unpin(). */
    void pin() noexcept { floor_ = begin_; }
    void unpin() noexcept
    {
        floor_ = 0;
        if (begin_ > window_) // after a chunked body: back to where there is room behind the next head
            (void)space();
    }

    /** Moves the unread bytes to the front (unless nothing is gained) and offers the space behind them. */
    [[nodiscard]] char* space() noexcept
    {
        if (begin_ > floor_) {
            std::memmove(bytes_.get() + floor_, bytes_.get() + begin_, end_ - begin_);
            end_ -= begin_ - floor_;
            begin_ = floor_;
        }
        return bytes_.get() + end_;
    }

    /** How many bytes fit at space(); valid after it. */
    [[nodiscard]] std::size_t space_size() const noexcept { return (floor_ > 0 ? 2 * window_ : window_) - end_; }

    /** So many bytes were put at space(). */
    void produced(std::size_t size) noexcept { end_ += size; }

private:
    std::size_t window_;
    std::unique_ptr<char[]> bytes_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t floor_ = 0;
};

} // namespace belay::http
