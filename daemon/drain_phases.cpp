#include "daemon/drain_phases.hpp"

#include "daemon/log.hpp"

#include <fmt/format.h>

#include <utility>

namespace belay::daemon {

using namespace std::chrono_literals;

bool DrainPhases::report(std::string_view phase, std::string_view waiting_for, Clock::time_point now)
{
    if (phase == name_ && waiting_for == waiting_for_)
        return false;
    progress_ = true;
    waiting_for_ = waiting_for;
    if (phase == name_)
        return false;
    if (!name_.empty())
        log::info("drain phase over",
            {{"phase", name_}, {"duration_seconds", std::chrono::duration<double>{now - began_}.count()},
                {"waited_for", waited_for_}});
    name_ = phase;
    waited_for_ = waiting_for;
    began_ = now;
    return true;
}

bool DrainPhases::take_progress() noexcept
{
    return std::exchange(progress_, false);
}

std::string DrainPhases::status(Clock::time_point now) const
{
    const auto age = std::chrono::floor<std::chrono::seconds>(now - began_);
    return fmt::format("draining: {}: {}", name_, waiting_for_) +
           (age >= 1s ? fmt::format(", for {} s", age.count()) : "");
}

} // namespace belay::daemon
