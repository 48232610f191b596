#pragma once
#include <unistd.h>

#include <cassert>
#include <utility>

namespace belay {

/**
 * Sole owner of a file descriptor.
 *
 * Every descriptor of belay is opened with O_CLOEXEC, so that none leaks into a job.
 * Threads: as an int; not thread-safe.
 */
class UniqueFd {
public:
    UniqueFd() noexcept = default;

    /** Takes over `fd`, which must be open. */
    explicit UniqueFd(int fd) noexcept : fd_(fd) { assert(fd >= 0); }

    UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    UniqueFd& operator=(UniqueFd&& other) noexcept
    {
        if (this != &other) {
            reset();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    UniqueFd(const UniqueFd&) = delete;
    UniqueFd& operator=(const UniqueFd&) = delete;
    ~UniqueFd() { reset(); }

    explicit operator bool() const noexcept { return fd_ >= 0; }

    /** The descriptor, borrowed. */
    [[nodiscard]] int get() const noexcept
    {
        assert(fd_ >= 0);
        return fd_;
    }

    /** Gives up ownership. */
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

    void reset() noexcept
    {
        if (fd_ >= 0)
            (void)::close(std::exchange(fd_, -1)); // gone even on EIO and EINTR, see close(2)
    }

private:
    int fd_ = -1;
};

} // namespace belay
