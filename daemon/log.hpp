#pragma once
#include "base/uuid.hpp"

#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

/**
 * How belay logs.
 *
 * A record is a message, fixed text in lower case with the subject first, and typed fields that travel beside it to the
 * sink: journal fields (BELAY_JOB=…), members of a JSON line, or key=value on a console.  Nothing a peer sent can start
 * a record or a field of its own.  The journal's MESSAGE has the fields too, as a console shows them, for the reader of
 * plain `journalctl`.
 *
 * Levels: error, an operator must act, or a 5xx; warning, odd but handled ("…, ignoring", "…, retrying"); info,
 * lifecycle. Before setup and in tests records go to spdlog's default logger.  Thread-safe; never blocks: see
 * LogThread.
 */
namespace belay::log {

using Value = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool, Uuid>;

/** One pair.  Keys are lower_snake_case literals: "job", "event", "hook", "trace_id", "path", "duration_seconds". */
struct Field {
    std::string_view key;
    Value value;

    Field(std::string_view k, std::string_view v) : key(k), value(v) {}
    Field(std::string_view k, const std::string& v) : key(k), value(std::string_view{v}) {}
    Field(std::string_view k, const char* v) : key(k), value(std::string_view{v}) {}
    Field(std::string_view k, bool v) : key(k), value(v) {}
    Field(std::string_view k, double v) : key(k), value(v) {}
    Field(std::string_view k, const Uuid& v) : key(k), value(v) {}
    template <std::signed_integral T>
    Field(std::string_view k, T v) : key(k), value(std::int64_t{v})
    {
    }
    template <std::unsigned_integral T>
    Field(std::string_view k, T v) : key(k), value(std::uint64_t{v})
    {
    }
};

using Fields = std::initializer_list<Field>;

enum class Level : std::uint8_t { trace, debug, info, warning, error };

[[nodiscard]] bool enabled(Level level) noexcept;
void write(Level level, std::string_view message, Fields fields = {}) noexcept;

/** Waits until what was written so far is out, but not longer: a pipe that nobody reads takes nothing. */
void flush(std::chrono::milliseconds patience = std::chrono::seconds{2}) noexcept;

inline void debug(std::string_view message, Fields fields = {}) noexcept
{
    write(Level::debug, message, fields);
}
inline void info(std::string_view message, Fields fields = {}) noexcept
{
    write(Level::info, message, fields);
}
inline void warning(std::string_view message, Fields fields = {}) noexcept
{
    write(Level::warning, message, fields);
}
inline void error(std::string_view message, Fields fields = {}) noexcept
{
    write(Level::error, message, fields);
}

} // namespace belay::log
