#include "belayd/jobs/sqlite.hpp"

#include <sqlite3.h>

#include <cerrno>
#include <cstring>

namespace belay::jobs::sqlite {

Error::Error(int code, int system_errno, const std::string& what)
    : std::runtime_error(what), code_(code), system_errno_(system_errno)
{
}

void throw_error(sqlite3* database, int code, std::string_view context)
{
    const int last_errno = errno;
    std::string what{context};
    what += what.empty() ? "" : ": ";
    what += database != nullptr ? ::sqlite3_errmsg(database) : ::sqlite3_errstr(code);
    const int extended = database != nullptr ? ::sqlite3_extended_errcode(database) : code;
    const int primary = extended & 0xff;
    // Not sqlite3_system_errno(): that of SQLite 3.40 is of an earlier error, or none, when a COMMIT fails.
    const int system_errno = primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN ? last_errno : 0;
    if (system_errno != 0)
        what += std::string{" ("} + std::strerror(system_errno) + ")"; // NOLINT(concurrency-mt-unsafe): glibc's is
    throw Error{(extended & 0xff) == (code & 0xff) ? extended : code, system_errno, what};
}

Execution::~Execution()
{
    (void)::sqlite3_reset(statement_); // repeats the error that step() has thrown
    (void)::sqlite3_clear_bindings(statement_);
}

bool Execution::step()
{
    errno = 0;
    const int code = ::sqlite3_step(statement_);
    if (code == SQLITE_ROW)
        return true;
    if (code != SQLITE_DONE)
        throw_error(::sqlite3_db_handle(statement_), code, "");
    return false;
}

bool Execution::is_null(int column) const
{
    return ::sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::int64_t Execution::integer(int column) const
{
    return ::sqlite3_column_int64(statement_, column);
}

std::string_view Execution::bytes(int column) const
{
    const void* bytes = ::sqlite3_column_blob(statement_, column); // of a TEXT too; null when empty
    const int size = ::sqlite3_column_bytes(statement_, column);
    if (bytes == nullptr && ::sqlite3_errcode(::sqlite3_db_handle(statement_)) == SQLITE_NOMEM)
        throw_error(nullptr, SQLITE_NOMEM, "");
    return bytes == nullptr ? std::string_view{}
                            : std::string_view{static_cast<const char*>(bytes), static_cast<std::size_t>(size)};
}

Uuid Execution::uuid(int column) const
{
    const auto id = bytes(column);
    Uuid result;
    if (id.size() != result.bytes.size())
        throw_error(nullptr, SQLITE_CORRUPT, "an id has not 16 bytes");
    std::memcpy(result.bytes.data(), id.data(), id.size());
    return result;
}

Time Execution::time(int column) const
{
    return Time{std::chrono::microseconds{integer(column)}};
}

void Statement::Finalize::operator()(sqlite3_stmt* statement) const noexcept
{
    (void)::sqlite3_finalize(statement);
}

Statement::Statement(sqlite3* database, std::string_view sql)
{
    sqlite3_stmt* statement = nullptr;
    errno = 0;
    const int code = ::sqlite3_prepare_v3(
        database, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK)
        throw_error(database, code, sql);
    statement_.reset(statement);
}

namespace {

void check_bound(sqlite3_stmt* statement, int code)
{
    if (code != SQLITE_OK)
        throw_error(::sqlite3_db_handle(statement), code, "bind");
}

} // namespace

void Statement::bind(int index, std::int64_t value)
{
    check_bound(statement_.get(), ::sqlite3_bind_int64(statement_.get(), index, value));
}

void Statement::bind(int index, std::string_view text)
{
    const char* bytes = text.data() != nullptr ? text.data() : ""; // a null pointer would bind NULL
    check_bound(statement_.get(),
        ::sqlite3_bind_text64(statement_.get(), index, bytes, text.size(), SQLITE_STATIC, SQLITE_UTF8));
}

void Statement::bind(int index, Blob blob)
{
    const char* bytes = blob.bytes.data() != nullptr ? blob.bytes.data() : "";
    check_bound(
        statement_.get(), ::sqlite3_bind_blob64(statement_.get(), index, bytes, blob.bytes.size(), SQLITE_STATIC));
}

void Statement::bind(int index, const Uuid& id)
{
    check_bound(statement_.get(),
        ::sqlite3_bind_blob64(statement_.get(), index, id.bytes.data(), id.bytes.size(), SQLITE_STATIC));
}

void Statement::bind(int index, std::nullopt_t)
{
    check_bound(statement_.get(), ::sqlite3_bind_null(statement_.get(), index));
}

std::int64_t Statement::changes() const
{
    return ::sqlite3_changes64(::sqlite3_db_handle(statement_.get()));
}

void Database::Close::operator()(sqlite3* database) const noexcept
{
    (void)::sqlite3_close_v2(database);
}

Database::Database(const std::string& path, Access access)
{
    // NOMUTEX: one thread at a time uses the connection, by construction.
    const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                      (access == Access::read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    sqlite3* handle = nullptr;
    errno = 0;
    const int code = ::sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
    handle_.reset(handle); // also after an error
    if (code != SQLITE_OK)
        throw_error(handle, code, path);
}

void Database::execute(const std::string& sql)
{
    errno = 0;
    const int code = ::sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr);
    if (code != SQLITE_OK)
        throw_error(handle_.get(), code, sql.substr(0, sql.find('\n')));
}

std::int64_t Database::integer(std::string_view sql)
{
    Statement statement{handle_.get(), sql};
    auto row = statement();
    return row.step() ? row.integer(0) : 0;
}

std::string Database::text(std::string_view sql)
{
    Statement statement{handle_.get(), sql};
    auto row = statement();
    return row.step() ? row.text(0) : std::string{};
}

bool Database::in_transaction() const noexcept
{
    return ::sqlite3_get_autocommit(handle_.get()) == 0;
}

} // namespace belay::jobs::sqlite
