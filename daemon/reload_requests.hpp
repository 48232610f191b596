#pragma once
#include "base/asio.hpp"
#include "daemon/service.hpp"

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

namespace belay::daemon {

/**
 * Reloads asked for, and those who wait for their verdicts: one is under way, and whoever asks meanwhile shares the
 * next.  An upgrade leaves who waits to the successor, where they ask again, or here if it is undone.
 *
 * Lifetime: outlives who waits.  Threads: confined to the main loop.
 */
class ReloadRequests {
public:
    using Clock = std::chrono::steady_clock;

    /** How much is to be brought up to date: the configuration, the executable too if it changed, or that in any case.
     */
    enum class Scope : std::uint8_t { configuration, everything, executable };

    /** What those who asked for one reload want in all. */
    struct Request {
        Scope scope = Scope::configuration;
        Clock::time_point requested; ///< by the last of them: RELOADING=1 must not carry a time before any request
    };

    explicit ReloadRequests(asio::io_context& main);

    /** Of somebody who is told no verdict. */
    void request(Scope scope);

    /** Requests one and waits for its verdict, or to be left to the successor. */
    [[nodiscard]] asio::awaitable<ReloadVerdict> verdict(Scope scope);

    /** See Core::verdict_of_predecessor(). */
    [[nodiscard]] asio::awaitable<ReloadVerdict> left_verdict();

    /** The verdict for those who were left, by this image or the one before it. */
    void settle_left(ReloadVerdict verdict);

    /** Waits for the next request or interrupt(). */
    [[nodiscard]] asio::awaitable<void> wait();
    void interrupt();

    /** Puts the next reload under way, until conclude(). @return nothing if nobody asked */
    [[nodiscard]] std::optional<Request> begin();
    void conclude(ReloadVerdict verdict);

    [[nodiscard]] bool under_way() const noexcept { return current_ != nullptr; }
    [[nodiscard]] bool asked_for() const noexcept { return next_ != nullptr; } ///< one more than that

    /** No more of them: the daemon is stopping. */
    void end();

    /** Those who wait for a verdict are to ask the successor, and so is whoever asks from here on. */
    void leave_waiters();

    /** There will be none, for now: whoever asks from here on is told in this image. */
    void keep_waiters() noexcept { leaving_ = false; }

private:
    struct Reload;

    std::shared_ptr<Reload> add(Scope scope);

    asio::io_context& main_;
    asio::steady_timer asked_; // never expires; cancelled by a request and interrupt()
    std::shared_ptr<Reload> current_;
    std::shared_ptr<Reload> next_;
    bool leaving_ = false; // verdicts are left to the successor
    std::optional<ReloadVerdict> left_verdict_;
    asio::steady_timer left_verdict_stands_; // never expires
    std::uint64_t upgrades_begun_ = 0;       // each leaves those who wait
};

} // namespace belay::daemon
