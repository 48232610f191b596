#pragma once
#include <atomic>

namespace belay::jobs {

/**
 * Makes SQLite's syncs fail: a file system of SQLite's (sqlite3_vfs) in front of the usual one, the default while it
 * stands.  Thread-safe.
 */
class FailingVfs {
public:
    FailingVfs();
    ~FailingVfs();
    FailingVfs(const FailingVfs&) = delete;
    FailingVfs& operator=(const FailingVfs&) = delete;
    FailingVfs(FailingVfs&&) = delete;
    FailingVfs& operator=(FailingVfs&&) = delete;

    /** From now on each sync returns SQLITE_IOERR_FSYNC, as for EIO. */
    static void fail_syncs(bool fail) noexcept;

    /** Syncs that were asked for. */
    [[nodiscard]] static int syncs() noexcept;
};

} // namespace belay::jobs
