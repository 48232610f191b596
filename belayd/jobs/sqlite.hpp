#pragma once
#include "base/uuid.hpp"
#include "belayd/jobs/job.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

struct sqlite3;
struct sqlite3_stmt;

/** SQLite with owners and exceptions; nothing else is added. */
namespace belay::jobs::sqlite {

/** What SQLite reports, with its extended result code. */
class Error : public std::runtime_error {
public:
    Error(int code, int system_errno, const std::string& what);

    [[nodiscard]] int code() const noexcept { return code_; }                 ///< SQLITE_CONSTRAINT_UNIQUE, …
    [[nodiscard]] int primary() const noexcept { return code_ & 0xff; }       ///< SQLITE_CONSTRAINT, …
    [[nodiscard]] int system_errno() const noexcept { return system_errno_; } ///< of the last failed system call

private:
    int code_;
    int system_errno_;
};

/** Bytes that are stored as a BLOB. */
struct Blob {
    std::string_view bytes;
};

/**
 * One execution of a Statement: its rows, and its reset at the end of the scope.
 *
 * Texts and blobs that were bound, and columns read as views, are borrowed: the first until the execution ends, the
 * second until the next step().
 */
class Execution {
public:
    explicit Execution(sqlite3_stmt* statement) noexcept : statement_(statement) {}
    ~Execution();
    Execution(const Execution&) = delete;
    Execution& operator=(const Execution&) = delete;
    Execution(Execution&&) = delete;
    Execution& operator=(Execution&&) = delete;

    /** @return whether there is a row @throws Error */
    bool step();

    [[nodiscard]] bool is_null(int column) const;
    [[nodiscard]] std::int64_t integer(int column) const;
    [[nodiscard]] std::string_view bytes(int column) const; ///< of a TEXT or a BLOB
    [[nodiscard]] std::string text(int column) const { return std::string{bytes(column)}; }
    [[nodiscard]] Uuid uuid(int column) const; ///< @throws Error (SQLITE_CORRUPT) if it has not 16 bytes
    [[nodiscard]] Time time(int column) const;

private:
    sqlite3_stmt* statement_;
};

/** A prepared statement that is kept.  Confined to the thread of its database, which must outlive it. */
class Statement {
public:
    Statement(sqlite3* database, std::string_view sql);

    /** Binds the arguments to ?1, ?2, …  Borrows strings and ids until the execution ends. */
    template <class... Arguments>
    [[nodiscard]] Execution operator()(Arguments&&... arguments)
    {
        static_assert((!is_owning_temporary<Arguments> && ...), "it would be gone before step()");
        int index = 0;
        (bind(++index, arguments), ...);
        return Execution{statement_.get()};
    }

    /** Executes what returns no rows. @return how many rows it changed */
    template <class... Arguments>
    std::int64_t run(const Arguments&... arguments)
    {
        (*this)(arguments...).step();
        return changes();
    }

private:
    template <class Argument>
    static constexpr bool is_owning_temporary =
        std::is_same_v<Argument, std::string> || std::is_same_v<Argument, Uuid>; // deduced so from rvalues only

    struct Finalize {
        void operator()(sqlite3_stmt* statement) const noexcept;
    };

    void bind(int index, std::int64_t value);
    void bind(int index, unsigned value) { bind(index, std::int64_t{value}); }
    void bind(int index, int value) { bind(index, std::int64_t{value}); }
    void bind(int index, bool value) = delete;
    void bind(int index, Time value) { bind(index, std::int64_t{value.time_since_epoch().count()}); }
    void bind(int index, std::string_view text);
    void bind(int index, const std::string& text) { bind(index, std::string_view{text}); }
    void bind(int index, const char* text) { bind(index, std::string_view{text}); }
    void bind(int index, Blob blob);
    void bind(int index, const Uuid& id);
    void bind(int index, std::nullopt_t);
    template <class T>
    void bind(int index, const std::optional<T>& value)
    {
        value ? bind(index, *value) : bind(index, std::nullopt);
    }
    [[nodiscard]] std::int64_t changes() const;

    std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

/** One connection.  Confined to one thread at a time. */
class Database {
public:
    enum class Access : std::uint8_t { read_only, read_write };

    /** Opens `path`; read_write creates it. @throws Error */
    Database(const std::string& path, Access access);

    /** Runs statements that return nothing of interest. @throws Error */
    void execute(const std::string& sql);

    /** The first column of the first row; 0 and "" if there is none. @throws Error */
    [[nodiscard]] std::int64_t integer(std::string_view sql);
    [[nodiscard]] std::string text(std::string_view sql);

    [[nodiscard]] Statement prepare(std::string_view sql) { return Statement{handle_.get(), sql}; }

    /** Whether a transaction is open: IOERR, FULL and NOMEM roll back by themselves. */
    [[nodiscard]] bool in_transaction() const noexcept;

    [[nodiscard]] sqlite3* handle() const noexcept { return handle_.get(); }

private:
    struct Close {
        void operator()(sqlite3* database) const noexcept;
    };
    std::unique_ptr<sqlite3, Close> handle_;
};

/** Throws what `database` last reported, and the system with it in errno, which was 0 before the call that failed. */
[[noreturn]] void throw_error(sqlite3* database, int code, std::string_view context);

} // namespace belay::jobs::sqlite
