#include "cli/doctor/checks.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace belay::cli {
namespace {

using Version = std::array<int, 3>;

/** Whether commits may be lost when one connection checkpoints while another commits: from 3.7.0, the first with WAL,
 * to 3.51.2; mended in 3.51.3, 3.50.7 and 3.44.6 (sqlite.org/wal.html, "the WAL-reset bug"). */
bool loses_commits(const Version& version)
{
    if (version[1] == 44)
        return version[2] < 6;
    if (version[1] == 50)
        return version[2] < 7;
    return version < Version{3, 51, 3};
}

} // namespace

Finding examine_sqlite(const std::string& version)
{
    Version parsed{};
    // NOLINTNEXTLINE(cert-err34-c): three numbers, of the library
    if (std::sscanf(version.c_str(), "%d.%d.%d", &parsed[0], &parsed[1], &parsed[2]) != 3)
        return {"sqlite", Finding::Verdict::unknown, version, {}, {}};
    if (!loses_commits(parsed))
        return {"sqlite", Finding::Verdict::ok, version, "without known defects", {}};
    return {"sqlite", Finding::Verdict::note, version + ", which may lose commits while another connection checkpoints",
        "3.51.3, 3.50.7 or 3.44.6",
        "nothing is needed as long as belayd alone writes to its database, with one connection, as it does: open it "
        "with nothing "
        "else that writes or checkpoints (sqlite3 without -readonly, litestream)"};
}

} // namespace belay::cli
