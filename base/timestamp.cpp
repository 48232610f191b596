#include "base/timestamp.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace belay {

std::string format_timestamp(Timestamp time)
{
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
        (time - seconds).count());
}

} // namespace belay
