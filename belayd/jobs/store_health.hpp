#pragma once
#include "base/byte_size.hpp"

#include <atomic>
#include <mutex>
#include <string>

namespace belay::jobs {

/** Free bytes of the file system that holds `path`, for processes without privileges. @throws std::system_error */
[[nodiscard]] Bytes free_bytes(const std::string& path);

/**
 * Whether the store takes writes, and why not: short of space, which passes, or failed, which does not.
 *
 * Thread-safe.
 */
class StoreHealth {
public:
    [[nodiscard]] bool available() const noexcept { return state_.load(std::memory_order_relaxed) == State::well; }
    [[nodiscard]] bool failed() const noexcept { return state_.load(std::memory_order_relaxed) == State::failed; }

    /** "" while available; else one sentence. */
    [[nodiscard]] std::string reason() const;

    void set_short_of_space(std::string reason);
    void clear_short_of_space();

    /** @return whether it is the first failure */
    bool fail(std::string reason);

private:
    enum class State : std::uint8_t { well, short_of_space, failed };
    std::atomic<State> state_{State::well};
    mutable std::mutex mutex_; // guards reason_ and changes of state_
    std::string reason_;
};

} // namespace belay::jobs
