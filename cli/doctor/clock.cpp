#include "cli/doctor/checks.hpp"

#include <fmt/format.h>

#include <sys/timex.h>

#include <cerrno>
#include <cstring>

namespace belay::cli {

Finding examine_clock()
{
    constexpr const char* needed = "synchronised";
    timex clock{}; // modes 0: asks only, adjtimex(2)
    const int state = ::adjtimex(&clock);
    if (state == -1)
        return {"clock", Finding::Verdict::unknown, std::strerror(errno), needed, {}};
    if (state == TIME_ERROR || (clock.status & STA_UNSYNC) != 0)
        return {"clock", Finding::Verdict::warning, "not synchronised", needed,
            "signatures with a time are refused when clocks differ by more than their tolerance: run chrony or "
            "systemd-timesyncd (timedatectl set-ntp true)"};
    return {"clock", Finding::Verdict::ok, fmt::format("synchronised within {} ms", clock.maxerror / 1000), needed, {}};
}

} // namespace belay::cli
