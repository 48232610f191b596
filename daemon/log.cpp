#include "daemon/log.hpp"

#include "daemon/log_record.hpp"

#include <spdlog/spdlog.h>

#include <exception>

namespace belay::log {
namespace {

// The fields of the write() that this thread is in: a spdlog message has no place for them, and calls its sinks on the
// thread that logs.
thread_local std::span<const Field> fields_of_call;

Level from_spdlog(spdlog::level::level_enum level) noexcept
{
    switch (level) {
    case spdlog::level::trace:
        return Level::trace;
    case spdlog::level::debug:
        return Level::debug;
    case spdlog::level::info:
        return Level::info;
    case spdlog::level::warn:
        return Level::warning;
    default:
        return Level::error;
    }
}

bool takes_fields(const spdlog::logger& logger) noexcept
{
    const auto& sinks = logger.sinks();
    return sinks.size() == 1 && dynamic_cast<const RecordSink*>(sinks.front().get()) != nullptr;
}

} // namespace

void RecordSink::log(const spdlog::details::log_msg& message)
{
    take({.level = from_spdlog(message.level),
        .time = std::chrono::floor<std::chrono::microseconds>(message.time),
        .message = {message.payload.data(), message.payload.size()},
        .fields = own(fields_of_call)});
}

bool enabled(Level level) noexcept
{
    return spdlog::default_logger_raw()->should_log(to_spdlog(level));
}

void write(Level level, std::string_view message, Fields fields) noexcept
{
    if (!enabled(level))
        return;
    const std::span<const Field> span{fields.begin(), fields.size()};
    try {
        auto& logger = *spdlog::default_logger_raw();
        if (!takes_fields(logger)) {
            logger.log(to_spdlog(level), to_line(message, own(span)));
            return;
        }
        fields_of_call = span;
        logger.log(to_spdlog(level), message); // a string_view: never taken for a format
    } catch (const std::exception&) {          // out of memory: a lost record must not take the caller with it
    }
    fields_of_call = {};
}

void flush(std::chrono::milliseconds patience) noexcept
{
    auto& logger = *spdlog::default_logger_raw();
    if (takes_fields(logger))
        static_cast<RecordSink&>(*logger.sinks().front()).flush_within(patience);
    else
        logger.flush(); // catches what a sink throws
}

} // namespace belay::log
