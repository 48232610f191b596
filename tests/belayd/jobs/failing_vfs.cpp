#include "tests/belayd/jobs/failing_vfs.hpp"

#include <sqlite3.h>

#include <cerrno>
#include <map>
#include <mutex>

namespace belay::jobs {
namespace {

// SQLite calls these without a context of ours: what they share is static by its design.
std::atomic<bool> syncs_fail{false};
std::atomic<int> sync_count{0};
sqlite3_vfs* usual = nullptr;
sqlite3_vfs failing;
int (*usual_sync)(sqlite3_file*, int) = nullptr; // one for all of the file system's tables of methods

std::mutex mutex; // guards tables
std::map<const sqlite3_io_methods*, sqlite3_io_methods> tables;

int sync_file(sqlite3_file* file, int flags)
{
    ++sync_count;
    if (!syncs_fail)
        return usual_sync(file, flags);
    errno = EIO;
    return SQLITE_IOERR_FSYNC;
}

int open_file(sqlite3_vfs*, sqlite3_filename name, sqlite3_file* file, int flags, int* out_flags)
{
    const int code = usual->xOpen(usual, name, file, flags, out_flags);
    if (code != SQLITE_OK || file->pMethods == nullptr)
        return code;
    const std::scoped_lock lock{mutex};
    usual_sync = file->pMethods->xSync;
    auto& table = tables.try_emplace(file->pMethods, *file->pMethods).first->second;
    table.xSync = sync_file;
    file->pMethods = &table;
    return code;
}

} // namespace

FailingVfs::FailingVfs()
{
    usual = ::sqlite3_vfs_find(nullptr);
    failing = *usual;
    failing.zName = "failing";
    failing.pNext = nullptr;
    failing.xOpen = open_file;
    ::sqlite3_vfs_register(&failing, /*makeDflt=*/1);
}

FailingVfs::~FailingVfs()
{
    fail_syncs(false);
    ::sqlite3_vfs_unregister(&failing);
}

void FailingVfs::fail_syncs(bool fail) noexcept
{
    syncs_fail = fail;
}

int FailingVfs::syncs() noexcept
{
    return sync_count;
}

} // namespace belay::jobs
