#include "belayd/jobs/scheduler.hpp"

#include <algorithm>
#include <cmath>

namespace belay::jobs {

std::chrono::milliseconds retry_delay(
    unsigned counted, std::chrono::milliseconds backoff, std::chrono::milliseconds max_backoff, double random)
{
    constexpr int most_doublings = 62; // past any bound, and exact in a double
    const int doublings = static_cast<int>(std::min<unsigned>(counted > 0 ? counted - 1 : 0, most_doublings));
    const double delay =
        std::min(std::ldexp(static_cast<double>(backoff.count()), doublings), static_cast<double>(max_backoff.count()));
    return std::chrono::milliseconds{std::llround(delay * (0.9 + 0.2 * random))};
}

} // namespace belay::jobs
