#include "belayd/jobs/schema.hpp"

#include "base/unique_fd.hpp"
#include "belayd/jobs/body_segments.hpp"
#include "daemon/service.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>

namespace belay::jobs {
namespace {

using daemon::ExitCode;
using daemon::StartError;

constexpr std::int64_t application_id = 0x62656c79; // "bely", shown by file(1)
constexpr Bytes quick_check_limit = 64_MiB;         // larger ones would hold up the start for seconds

// Ids are UUIDv7 and so arrive in the order of time: the primary keys grow at their end.  Times are microseconds since
// the epoch.  States and outcomes are the words of job.hpp, for whoever looks with sqlite3(1): against small integers
// that costs 1 % of the CPU of accept + claim + finish.  (Their CHECKs are chains of OR: an IN list is built anew for
// each statement, and costs 8 %.)  Small rows that change (jobs) are kept apart from large ones that do not (bodies,
// outputs), since an update rewrites its row.
//
// jobs_queue is the one index behind claim (hook, 'queued', 0, oldest id), the pages of the API by hook and state
// (newest id), and the counts at open.  `waiting` is 1 while a queued job is not due: only such are in jobs_waiting.
// events and jobs come and go together, in one transaction; a foreign key between them would want an index of its own.
constexpr const char* version_1 = R"sql(
CREATE TABLE events (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    job          BLOB    NOT NULL CHECK (length(job) = 16),
    hook         TEXT    NOT NULL,
    delivery_id  TEXT,
    received     INTEGER NOT NULL,
    remote       TEXT    NOT NULL,
    traceparent  TEXT    NOT NULL,
    content_type TEXT    NOT NULL,
    arguments    BLOB    NOT NULL, -- netstrings
    environment  BLOB    NOT NULL, -- netstrings: name, value, name, …
    body         INTEGER NOT NULL, -- bodies.id
    body_bytes   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX events_delivery ON events (hook, delivery_id) WHERE delivery_id IS NOT NULL;

CREATE TABLE bodies (
    id   INTEGER PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE jobs (
    id       BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    event    BLOB    NOT NULL CHECK (length(event) = 16),
    hook     TEXT    NOT NULL,
    state    TEXT    NOT NULL
             CHECK (state = 'queued' OR state = 'running' OR state = 'succeeded' OR state = 'failed'
                 OR state = 'cancelled' OR state = 'superseded'),
    waiting  INTEGER NOT NULL CHECK (waiting = 0 OR state = 'queued'),
    attempts INTEGER NOT NULL, -- runs so far: the number of the newest, which is the fencing token
    counted  INTEGER NOT NULL, -- of those, since it was last queued anew, the ones that count
    lost     INTEGER NOT NULL, -- and the lost ones
    enqueued INTEGER NOT NULL, -- first
    run_at   INTEGER NOT NULL,
    finished INTEGER CHECK ((finished IS NULL) = (state IN ('queued', 'running'))),
    reason   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX jobs_queue ON jobs (hook, state, waiting, id);
CREATE INDEX jobs_waiting ON jobs (hook, run_at) WHERE waiting = 1;
CREATE INDEX jobs_finished ON jobs (finished) WHERE finished IS NOT NULL;

CREATE TABLE attempts (
    job            BLOB    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number         INTEGER NOT NULL,
    boot_id        TEXT    NOT NULL, -- of the daemon's life that ran it
    started        INTEGER NOT NULL,
    finished       INTEGER,
    outcome        TEXT CHECK (outcome = 'succeeded' OR outcome = 'exited' OR outcome = 'signalled' OR outcome = 'timed_out'
                       OR outcome = 'oom' OR outcome = 'lost' OR outcome = 'interrupted'),
    exit_status    INTEGER NOT NULL DEFAULT 0,
    signal         INTEGER NOT NULL DEFAULT 0,
    detail         TEXT    NOT NULL DEFAULT '',
    stdout_bytes   INTEGER NOT NULL DEFAULT 0,
    stderr_bytes   INTEGER NOT NULL DEFAULT 0,
    stdout_dropped INTEGER NOT NULL DEFAULT 0,
    stderr_dropped INTEGER NOT NULL DEFAULT 0,
    output         INTEGER, -- outputs.id; NULL: wrote nothing
    PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE outputs (
    id     INTEGER PRIMARY KEY,
    stdout BLOB NOT NULL,
    stderr BLOB NOT NULL
) STRICT;
)sql";

// files: netstrings, name, "text" and the text, name, "body" and nothing, …: what is the body is in bodies already.
// request: netstrings, method, target, name, value, name, …, without credentials; empty for events of version 1.
constexpr const char* version_2 = R"sql(
ALTER TABLE events ADD COLUMN files BLOB NOT NULL DEFAULT x'';
ALTER TABLE events ADD COLUMN request BLOB NOT NULL DEFAULT x'';
)sql";

// A body of some size is kept in a file, see body_segments.hpp: events.segment is its number, events.body where the
// body begins there; NULL: the body is in bodies.
constexpr const char* version_3 = R"sql(
ALTER TABLE events ADD COLUMN segment INTEGER;
ALTER TABLE events ADD COLUMN checksum INTEGER CHECK ((checksum IS NULL) = (segment IS NULL));
CREATE TABLE segments (
    number INTEGER PRIMARY KEY,
    bodies INTEGER NOT NULL CHECK (bodies >= 0)
) STRICT;
)sql";

/** What leads from each version to the next, from an empty database on: what was once released is never changed. */
constexpr std::array versions{version_1, version_2, version_3};
static_assert(versions.size() == schema_version);

[[noreturn]] void refuse(const std::string& what)
{
    throw StartError{ExitCode::unavailable, what};
}

/** Creates an empty file that only belayd reads. @return whether it was not there */
bool create_file(const std::string& path)
{
    // Before SQLite opens it: closing any descriptor of a database drops the process's POSIX locks on it.
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST)
        refuse(fmt::format("cannot create the database {}: {}", path, std::generic_category().message(errno)));
    if (fd >= 0)
        UniqueFd{fd}.reset();
    return fd >= 0;
}

/** Whether the last owner died: a clean close truncates the write-ahead log. */
bool left_unclean(const std::string& path)
{
    struct stat wal{};
    return ::stat((path + "-wal").c_str(), &wal) == 0 && wal.st_size > 0;
}

void set(sqlite::Database& database, const std::string& pragma, const std::string& value, const std::string& reads_back)
{
    database.execute("PRAGMA " + pragma + " = " + value);
    if (const auto is = database.text("PRAGMA " + pragma); is != reads_back)
        refuse(fmt::format(
            "{}: PRAGMA {} is {}, not {}", ::sqlite3_db_filename(database.handle(), "main"), pragma, is, reads_back));
}

void harden(sqlite::Database& database)
{
    set(database, "trusted_schema", "OFF", "0");
    set(database, "cell_size_check", "ON", "1");
    set(database, "mmap_size", "0", "0");
    set(database, "foreign_keys", "ON", "1");
    ::sqlite3_db_config(database.handle(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    ::sqlite3_limit(database.handle(), SQLITE_LIMIT_LENGTH, static_cast<int>(256_MiB)); // a body or an output, at most
}

void check_version(sqlite::Database& database, const std::string& path)
{
    const auto version = database.integer("PRAGMA user_version");
    if (version > schema_version)
        refuse(fmt::format("{}: schema {} is newer than this belayd knows ({}); install the belayd that wrote it", path,
            version, schema_version));
    if (version == 0 && database.integer("SELECT count(*) FROM sqlite_schema") != 0)
        refuse(path + " is an SQLite database, but not belayd's; move it away or set another store.url");
}

void configure(sqlite::Database& database)
{
    set(database, "journal_mode", "WAL", "wal");
    set(database, "synchronous", "FULL", "2");
    set(database, "wal_autocheckpoint", "0", "0"); // the store's thread does it, after answering
    set(database, "journal_size_limit", std::to_string(64_MiB), std::to_string(64_MiB));
    set(database, "cache_size", "-2048", "-2048"); // KiB; 8 MiB gain nothing: bodies are elsewhere
    set(database, "temp_store", "MEMORY", "2");
    // Zeroes what is deleted only where that costs no write; Debian's default also rewrites each freed page.
    database.execute("PRAGMA secure_delete = FAST");
    database.execute("PRAGMA busy_timeout = 5000");
}

/** Creates the tables, or changes them as later versions have; all or nothing. */
void bring_up_to_date(sqlite::Database& database)
{
    const auto version = static_cast<std::size_t>(database.integer("PRAGMA user_version"));
    if (version == versions.size())
        return;
    database.execute("BEGIN IMMEDIATE"); // what fails closes the database, and that rolls back
    for (std::size_t next = version; next < versions.size(); ++next)
        database.execute(versions[next]);
    database.execute(
        fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}; COMMIT", application_id, schema_version));
}

/** They belong to a database that was moved away, or is still to be restored. */
void refuse_bodies_of_another(const std::string& path)
{
    if (has_segments(path))
        refuse(fmt::format("{} has bodies of events, but {} is new and knows none of them; restore the database that "
                           "they belong to, or move them away as well",
            segments_directory(path), path));
}

sqlite::Database open_checked(const std::string& path, Bytes page_size, bool resumed)
{
    const bool created = create_file(path);
    const bool unclean = !resumed && left_unclean(path);
    sqlite::Database database{path, sqlite::Database::Access::read_write};
    harden(database);
    check_version(database, path);
    if (database.integer("PRAGMA user_version") == 0) { // new, or its creator died before it had tables
        refuse_bodies_of_another(path);
        database.execute(fmt::format("PRAGMA page_size = {}; PRAGMA auto_vacuum = INCREMENTAL", page_size));
    }
    configure(database);
    if (unclean && std::filesystem::file_size(path) <= quick_check_limit)
        if (const auto verdict = database.text("PRAGMA quick_check(1)"); verdict != "ok")
            throw sqlite::Error{SQLITE_CORRUPT, 0, verdict};
    bring_up_to_date(database);
    if (created) {
        const auto directory = std::filesystem::absolute(path).parent_path();
        sync_directory(directory);
        sync_directory(directory.parent_path()); // it may be new as well
    }
    return database;
}

} // namespace

sqlite::Database open_store_database(const std::string& path, Bytes page_size, bool resumed)
{
    try {
        return open_checked(path, page_size, resumed);
    } catch (const sqlite::Error& e) {
        refuse_database(path, e);
    }
}

void check_store_database(const std::string& path)
try {
    if (!std::filesystem::exists(path))
        return;
    sqlite::Database database = open_reader_database(path);
    check_version(database, path);
} catch (const sqlite::Error& e) {
    refuse_database(path, e);
}

bool is_shortage(int error) noexcept
{
    return error == EMFILE || error == ENFILE || error == ENOMEM;
}

void sync_directory(const std::filesystem::path& directory)
{
    const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && is_shortage(errno))
        throw std::system_error{errno, std::generic_category(), directory.string()};
    if (fd < 0 || ::fsync(UniqueFd{fd}.get()) != 0) {
        const int error = errno;
        throw sqlite::Error{SQLITE_IOERR_DIR_FSYNC, error,
            fmt::format("cannot sync {}: {}", directory.string(), std::generic_category().message(error))};
    }
}

void refuse_database(const std::string& path, const sqlite::Error& error)
{
    if (error.primary() == SQLITE_CORRUPT || error.primary() == SQLITE_NOTADB)
        refuse(fmt::format(
            "{} is damaged ({}); restore it from a backup, or move it, its -wal and its -bodies away to begin "
            "with an empty one: belayd never replaces it by itself",
            path, error.what()));
    refuse(fmt::format("cannot open the database {}: {}", path, error.what()));
}

sqlite::Database open_reader_database(const std::string& path)
{
    sqlite::Database database{path, sqlite::Database::Access::read_only};
    harden(database);
    database.execute("PRAGMA cache_size = -2048; PRAGMA query_only = ON; PRAGMA busy_timeout = 1000");
    return database;
}

} // namespace belay::jobs
