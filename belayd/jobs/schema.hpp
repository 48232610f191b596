#pragma once
#include "base/byte_size.hpp"
#include "belayd/jobs/sqlite.hpp"

#include <filesystem>
#include <string>

namespace belay::jobs {

/** The version that this belayd writes and, of an older database, makes: `PRAGMA user_version`. */
inline constexpr std::int64_t schema_version = 3;

/**
 * Opens the database read-write, creates it with its directory entry synced where there is none, changes the tables of
 * an older schema in one transaction, and sets and reads back what durability hangs on: WAL, synchronous=FULL.
 *
 * @param resumed this process had it open before an exec: else a log that is left tells of a crash, after which all of
 *     it is read and checked, unless it is large
 * @throws daemon::StartError (69) for a file that cannot be opened, is damaged, is something else's, or has a newer
 *     schema: nothing is ever replaced
 */
[[nodiscard]] sqlite::Database open_store_database(const std::string& path, Bytes page_size, bool resumed);

/** Looks, while another process has it open, whether this belayd could take the database over.
 *  @throws daemon::StartError (69) if not */
void check_store_database(const std::string& path);

/** Says why the database cannot be used, and what to do. @throws daemon::StartError (69), always */
[[noreturn]] void refuse_database(const std::string& path, const sqlite::Error& error);

/** Whether an errno tells of a want of descriptors or memory, which may pass. */
[[nodiscard]] bool is_shortage(int error) noexcept;

/** Makes the entries of `directory` durable. @throws sqlite::Error (SQLITE_IOERR_DIR_FSYNC); std::system_error for a
 *  shortage */
void sync_directory(const std::filesystem::path& directory);

/** A second connection that only reads. @throws sqlite::Error */
[[nodiscard]] sqlite::Database open_reader_database(const std::string& path);

} // namespace belay::jobs
