#include "belayd/config/value_source.hpp"

#include <fmt/format.h>

#include <array>

namespace belay::config {

std::string_view key_of(ValueSource::Kind kind) noexcept
{
    switch (kind) {
    case ValueSource::Kind::literal:
        break;
    case ValueSource::Kind::payload:
        return "payload";
    case ValueSource::Kind::header:
        return "header";
    case ValueSource::Kind::query:
        return "query";
    case ValueSource::Kind::request:
        return "request";
    case ValueSource::Kind::event:
        return "event";
    case ValueSource::Kind::dotted_path:
        return "path";
    }
    return {};
}

std::span<const std::string_view> request_parts() noexcept
{
    static constexpr auto parts =
        std::to_array<std::string_view>({"method", "path", "remote_address", "body", "headers", "query"});
    return parts;
}

std::span<const std::string_view> event_parts() noexcept
{
    static constexpr auto parts = std::to_array<std::string_view>({"id", "job", "hook", "delivery_id", "received"});
    return parts;
}

std::string describe(const ValueSource& source)
{
    if (source.kind == ValueSource::Kind::literal)
        return {};
    return fmt::format("{} \"{}\"", key_of(source.kind), source.text);
}

} // namespace belay::config
