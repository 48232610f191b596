#pragma once
#include "base/timestamp.hpp"
#include "daemon/log.hpp"

#include <spdlog/sinks/sink.h>

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

/** A record on its way from the thread that wrote it to where it is written: it owns its text. */
namespace belay::log {

using OwnedValue = std::variant<std::string, std::int64_t, std::uint64_t, double, bool, Uuid>;
using OwnedFields = std::vector<std::pair<std::string, OwnedValue>>;

struct Record {
    Level level = Level::info;
    Timestamp time;
    std::string message;
    OwnedFields fields;

    /** Bytes of text it holds. */
    [[nodiscard]] std::size_t size() const noexcept;
};

/** A spdlog sink that takes the fields of log::write() as they are.  Any other sink gets them in the text. */
class RecordSink : public spdlog::sinks::sink {
public:
    void log(const spdlog::details::log_msg& message) final;
    void flush() final {}

    /** See log::flush(). */
    virtual void flush_within(std::chrono::milliseconds /*patience*/) noexcept {}
    void set_pattern(const std::string& /*pattern*/) final {} // formats are not spdlog's business here
    void set_formatter(std::unique_ptr<spdlog::formatter> /*formatter*/) final {}

protected:
    /** Called on the thread that logs. */
    virtual void take(Record record) = 0;
};

[[nodiscard]] OwnedFields own(std::span<const Field> fields);

/** The value as text: a string as it is, numbers as short as they read back, ids in their 36 characters. */
[[nodiscard]] std::string to_text(const OwnedValue& value);

/** "message key=value key=\"va lue\"" on one line, safe to print whatever the parts hold: see escape_for_line(). */
[[nodiscard]] std::string to_line(std::string_view message, const OwnedFields& fields);

[[nodiscard]] std::string_view to_string(Level level) noexcept; ///< "warning"
[[nodiscard]] spdlog::level::level_enum to_spdlog(Level level) noexcept;

} // namespace belay::log
