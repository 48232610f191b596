#include "cli/doctor/finding.hpp"

namespace belay::cli {

const char* to_string(Finding::Verdict verdict) noexcept
{
    switch (verdict) {
    case Finding::Verdict::ok:
        return "ok";
    case Finding::Verdict::note:
        return "note";
    case Finding::Verdict::warning:
        return "warning";
    case Finding::Verdict::unknown:
        break;
    }
    return "unknown";
}

} // namespace belay::cli
