#pragma once
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

namespace belay::http {

/**
 * The bytes received and not yet consumed, in one piece.
 *
 * A head is parsed in place, and its views must hold while its body is read.  So requests begin in the first half,
 * the window, and pinned bytes are not moved: the other half is left to read into, whatever is pinned.
 *
 * The window is a small one until a read has filled it: most connections that stay open send less at a time.
 */
class ReadBuffer {
public:
    static constexpr std::size_t first_window = 512;

    /** @param window bytes read ahead at most; twice as many are held, but pages never written cost nothing */
    explicit ReadBuffer(std::size_t window)
        : whole_window_(window), window_(std::min(window, first_window)),
          bytes_(std::make_unique_for_overwrite<char[]>(2 * window_))
    {
    }

    [[nodiscard]] std::string_view unread() const noexcept { return {bytes_.get() + begin_, end_ - begin_}; }
    void consume(std::size_t size) noexcept { begin_ += size; }

    /** What was consumed so far stays where it is, until unpin(). */
    void pin() noexcept { floor_ = begin_; }
    void unpin() noexcept
    {
        floor_ = 0;
        outgrown_.reset();
        if (end_ > window_) // after a chunked body: back to where there is room behind the next head
            move_down();
    }

    /** Moves the unread bytes to the front (unless nothing is gained) and offers the space behind them. */
    [[nodiscard]] char* space()
    {
        if (window_ < whole_window_ && (filled_ || unread().size() >= window_))
            widen();
        move_down();
        return bytes_.get() + end_;
    }

    /** How many bytes fit at space(); valid after it. */
    [[nodiscard]] std::size_t space_size() const noexcept
    {
        const std::size_t limit = floor_ > 0 ? 2 * window_ : window_;
        return limit > end_ ? limit - end_ : 0;
    }

    /** So many bytes were put at space(). */
    void produced(std::size_t size) noexcept
    {
        filled_ = size == space_size();
        end_ += size;
    }

private:
    void move_down() noexcept
    {
        if (begin_ == floor_)
            return;
        std::memmove(bytes_.get() + floor_, bytes_.get() + begin_, end_ - begin_);
        end_ -= begin_ - floor_;
        begin_ = floor_;
    }

    void widen()
    {
        auto wider = std::make_unique_for_overwrite<char[]>(2 * whole_window_);
        std::memcpy(wider.get(), bytes_.get() + begin_, end_ - begin_);
        end_ -= std::exchange(begin_, 0);
        window_ = whole_window_;
        outgrown_ = std::exchange(bytes_, std::move(wider));
        if (std::exchange(floor_, 0) == 0) // else what is pinned stays where it is
            outgrown_.reset();
    }

    std::size_t whole_window_;
    std::size_t window_;
    std::unique_ptr<char[]> bytes_;
    std::unique_ptr<char[]> outgrown_; // while something there is pinned
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t floor_ = 0;
    bool filled_ = false; // by the last read
};

} // namespace belay::http
