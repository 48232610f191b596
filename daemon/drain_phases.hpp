#pragma once
#include <chrono>
#include <string>
#include <string_view>

namespace belay::daemon {

/**
 * The phases of a drain, one after the other: what each waits for, how long it took, and whether there is progress.
 * Each is logged when it is over.
 *
 * Threads: confined to the main loop.
 */
class DrainPhases {
public:
    using Clock = std::chrono::steady_clock;

    /**
     * The drain is in this phase and waits for that; "" and "" end the last one.  What is not a repetition is progress.
     * @return whether another phase began
     */
    bool report(std::string_view phase, std::string_view waiting_for, Clock::time_point now);

    /** Whether there was progress since this was last asked. */
    [[nodiscard]] bool take_progress() noexcept;

    /** For STATUS=: "draining: jobs: 2 running, for 3 s". */
    [[nodiscard]] std::string status(Clock::time_point now) const;

private:
    std::string name_;       // "" outside a drain
    std::string waited_for_; // when it began
    std::string waiting_for_;
    Clock::time_point began_;
    bool progress_ = false;
};

} // namespace belay::daemon
