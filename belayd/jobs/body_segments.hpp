#pragma once
#include "base/byte_size.hpp"
#include "base/unique_fd.hpp"
#include "belayd/jobs/sqlite.hpp"

#include <sys/uio.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace belay::jobs {

/** Where a body is kept outside the database, and what it was. */
struct BodyPlace {
    std::int64_t segment;  ///< number of the file, from 1
    std::int64_t offset;   ///< bytes
    std::int64_t size;     ///< bytes
    std::int64_t checksum; ///< XXH3, 64 bits, of those bytes
};

/** What is at a body's place is not that body: the file is gone, short or changed.  what() names it. */
class BodyDamaged : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/** The columns of a statement from `first` on: events.segment, .body, .body_bytes, .checksum.  @return nothing for a
 *  body that is in the database */
[[nodiscard]] std::optional<BodyPlace> place_of(sqlite::Execution& row, int first);

/** The directory of the segments that belong to the database at `path`, and whether there are any. */
[[nodiscard]] std::string segments_directory(const std::string& path);
[[nodiscard]] bool has_segments(const std::string& path);

/**
 * Reads a body back, and makes sure that it is what was written.  Thread-safe.
 * @throws BodyDamaged; std::system_error for what may pass: no descriptor or memory now, no permission
 */
[[nodiscard]] std::string read_body(const std::string& directory, const BodyPlace& place);

/**
 * Bodies that are too large to go through SQLite, which writes a page to its log, then to the database, and later its
 * deletion: one after the other in files beside the database, each written once and deleted as a whole.
 *
 * What is in a file counts from when a committed row tells of it; bytes that no row tells of are left behind by a
 * crash, and go with their file.  The table `segments` says how many bodies a file still has.  A file is written by one
 * life of the daemon only.  The place of a body that went before its neighbours is given back to the file system.
 *
 * Confined to one thread at a time, that of the database.
 */
class BodySegments {
public:
    /**
     * Deletes files without bodies.  Borrows nothing: `database` may be moved, but must outlive this.
     * @throws sqlite::Error; daemon::StartError (69) for a file that is missing, not readable, or of another database
     */
    explicit BodySegments(sqlite::Database& database);

    [[nodiscard]] const std::string& directory() const noexcept { return directory_; }

    // In a transaction, with a std::system_error where no descriptor or memory is to be had now:
    [[nodiscard]] BodyPlace append(std::string_view body);        ///< borrowed until write() or rollback()
    void take_back() noexcept;                                    ///< what was appended last
    [[nodiscard]] std::string read(const BodyPlace& place) const; ///< also of this transaction @throws as read_body()
    void remove(const BodyPlace& place);
    /** Before the COMMIT: puts the bodies on disk.  @throws sqlite::Error, as SQLite would for its own files */
    void write();

    // After it:
    void commit() noexcept;
    void rollback() noexcept;

private:
    void check_files(const std::set<std::int64_t>& files);
    void begin_segment();
    void write_pending();
    [[noreturn]] void give_up_writing();
    void give_back(std::vector<BodyPlace> places) noexcept;
    [[nodiscard]] std::string file(std::int64_t segment) const;

    std::string directory_;
    std::map<std::int64_t, std::int64_t> bodies_; // by segment
    UniqueFd current_;                            // the last of them, if this life has one
    std::int64_t last_ = 0;                       // its number, or of one before
    std::int64_t end_ = 0;                        // of what is committed in it

    // Since the transaction began:
    std::vector<iovec> pending_;
    std::int64_t pending_end_ = 0;
    std::map<std::int64_t, std::int64_t> changes_; // of bodies_
    std::vector<BodyPlace> removed_;

    sqlite::Statement insert_, change_, forget_;
};

} // namespace belay::jobs
