#pragma once
#include "base/asio.hpp"
#include "belayd/hooks/passwords.hpp"
#include "daemon/loop_thread.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace belay {

/**
 * Hashes passwords on a thread of its own, "passwords": it takes too long for a loop that serves others, and one thread
 * is what strangers can keep busy.
 *
 * Lifetime: outlives those that await it.  Threads: start(), rest(), go_on() and the destructor on one; check() on any.
 */
class PasswordThread {
public:
    /** So many wait at most: what comes last is answered in a second or so. */
    static constexpr unsigned most_waiting = 4;

    struct Answer {
        enum class Outcome : std::uint8_t {
            checked,
            busy,   ///< nobody looked: too many wait
            resting ///< nobody looked: it rests
        } outcome = Outcome::checked;
        std::optional<std::size_t> file = {}; ///< of what was checked, see hooks::Passwords::find()
    };

    explicit PasswordThread(daemon::Threads& threads) noexcept : threads_(threads) {}

    /** Before the first check(); repeating it is fine. */
    void start();

    struct Question {
        const hooks::Passwords& passwords; ///< outlive the wait
        hooks::Credentials credentials;
        std::chrono::sys_seconds now;
        bool insists = false; ///< is looked at while others rest
    };

    [[nodiscard]] asio::awaitable<Answer> check(Question question);

    /**
     * Returns when nothing is hashed but for who insists; what waited, and what comes from now on, is not looked at
     * until go_on().
     */
    [[nodiscard]] asio::awaitable<void> rest();
    void go_on() noexcept { resting_ = false; }

private:
    [[nodiscard]] asio::awaitable<Answer> look(Question question) const;

    daemon::Threads& threads_;
    std::optional<daemon::LoopThread> loop_;
    std::atomic<unsigned> waiting_{0};
    std::atomic<bool> resting_{false};
};

} // namespace belay
