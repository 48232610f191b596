#include "daemon/log_record.hpp"

#include "base/utf8.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace belay::log {
namespace {

struct ToOwned {
    OwnedValue operator()(std::string_view v) const { return std::string{v}; }
    OwnedValue operator()(auto v) const { return v; }
};

struct ToText {
    std::string operator()(const std::string& v) const { return v; }
    std::string operator()(const Uuid& v) const { return to_string(v); }
    std::string operator()(auto v) const { return fmt::format("{}", v); }
};

bool is_bare(char c) noexcept
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view{"-._:/+@%,[]"}.find(c) != std::string_view::npos;
}

std::string in_quotes(std::string_view text)
{
    std::string out{'"'};
    for (const char c : escape_for_line(text)) {
        if (c == '"')
            out += '\\';
        out += c;
    }
    return out += '"';
}

} // namespace

std::size_t Record::size() const noexcept
{
    std::size_t bytes = message.size();
    for (const auto& [key, value] : fields) {
        const auto* text = std::get_if<std::string>(&value);
        bytes += key.size() + (text != nullptr ? text->size() : sizeof(value));
    }
    return bytes;
}

OwnedFields own(std::span<const Field> fields)
{
    OwnedFields owned;
    owned.reserve(fields.size());
    for (const auto& field : fields)
        owned.emplace_back(field.key, std::visit(ToOwned{}, field.value));
    return owned;
}

std::string to_text(const OwnedValue& value)
{
    return std::visit(ToText{}, value);
}

std::string to_line(std::string_view message, const OwnedFields& fields)
{
    std::string line = escape_for_line(message);
    for (const auto& [key, value] : fields) {
        line += ' ';
        line += escape_for_line(key);
        line += '=';
        const std::string text = to_text(value);
        line += !text.empty() && std::ranges::all_of(text, is_bare) ? text : in_quotes(text);
    }
    return line;
}

std::string_view to_string(Level level) noexcept
{
    constexpr std::array<std::string_view, 5> names{"trace", "debug", "info", "warning", "error"};
    return names[static_cast<std::size_t>(level)];
}

spdlog::level::level_enum to_spdlog(Level level) noexcept
{
    constexpr std::array levels{
        spdlog::level::trace, spdlog::level::debug, spdlog::level::info, spdlog::level::warn, spdlog::level::err};
    return levels[static_cast<std::size_t>(level)];
}

} // namespace belay::log
