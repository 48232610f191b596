#include "cli/doctor/checks.hpp"
#include "cli/doctor/kernel_file.hpp"

#include <cstdlib>

namespace belay::cli {
namespace {

constexpr double most = 2.5; // beyond: somebody took the sandbox away, not a directive of it

} // namespace

Finding examine_hardening()
{
    using Verdict = Finding::Verdict;
    constexpr const char* needed = "2.5 at most (0: nothing is exposed, 10: everything)";
    // "→ Overall exposure level for belayd.service: 1.6 OK :-)"
    constexpr std::string_view before = "belayd.service: ";
    const auto told = output_of("systemd-analyze security --no-pager belayd.service 2>/dev/null");
    const auto at = told ? told->rfind(before) : std::string::npos;
    if (at == std::string::npos)
        return {"hardening", Verdict::unknown, "systemd has no belayd.service to tell of", needed, {}};
    const std::string level =
        told->substr(at + before.size(), told->find(' ', at + before.size()) - at - before.size());
    if (std::strtod(level.c_str(), nullptr) <= most)
        return {"hardening", Verdict::ok, level, needed, {}};
    return {"hardening", Verdict::warning, level, needed,
        "systemd-analyze security belayd names what each directive exposes; relax only those that a command needs"};
}

} // namespace belay::cli
