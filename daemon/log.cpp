#include "daemon/log.hpp"

#include <spdlog/spdlog.h>

#include <exception>

namespace belay::log {
namespace {

spdlog::level::level_enum to_spdlog(Level level) noexcept
{
    switch (level) {
    case Level::trace:
        return spdlog::level::trace;
    case Level::debug:
        return spdlog::level::debug;
    case Level::info:
        return spdlog::level::info;
    case Level::warning:
        return spdlog::level::warn;
    case Level::error:
        return spdlog::level::err;
    }
    return spdlog::level::err;
}

struct AppendValue {
    std::string& out;
    void operator()(std::string_view v) const { out += v; }
    void operator()(std::int64_t v) const { out += std::to_string(v); }
    void operator()(std::uint64_t v) const { out += std::to_string(v); }
    void operator()(double v) const { out += std::to_string(v); }
    void operator()(bool v) const { out += v ? "true" : "false"; }
    void operator()(const Uuid& v) const { out += to_string(v); }
};

} // namespace

bool enabled(Level level) noexcept
{
    return spdlog::default_logger_raw()->should_log(to_spdlog(level));
}

void write(Level level, std::string_view message, Fields fields) noexcept
{
    if (!enabled(level))
        return;
    try {
        std::string line{message};
        for (const auto& field : fields) {
            line += ' ';
            line += field.key;
            line += '=';
            std::visit(AppendValue{line}, field.value);
        }
        spdlog::default_logger_raw()->log(to_spdlog(level), line);
    } catch (const std::exception&) { // out of memory: a lost record must not take the caller with it
        return;
    }
}

} // namespace belay::log
