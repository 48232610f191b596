#include "cli/format.hpp"

#include "base/duration.hpp"
#include "base/utf8.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <ostream>

namespace belay::cli {
namespace {

using Microseconds = std::chrono::microseconds;
using UtcTime = std::chrono::sys_time<Microseconds>;

/** What belayd writes: RFC 3339 in UTC, with or without a fraction. */
std::optional<UtcTime> parse_time(std::string_view text)
{
    int year = 0;
    unsigned month = 0;
    unsigned day = 0;
    int hour = 0;
    int minute = 0;
    double second = 0;
    if (std::sscanf(
            std::string{text}.c_str(), "%4d-%2u-%2uT%2d:%2d:%lfZ", &year, &month, &day, &hour, &minute, &second) != 6)
        return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{month}, std::chrono::day{day}};
    if (!date.ok())
        return std::nullopt;
    return std::chrono::sys_days{date} + std::chrono::hours{hour} + std::chrono::minutes{minute} +
           std::chrono::round<Microseconds>(std::chrono::duration<double>{second});
}

/** Columns on a terminal, near enough: characters, not bytes.  `text` is valid UTF-8. */
std::size_t width(std::string_view text) noexcept
{
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

/** 'a b' as it is; what cannot stand on a line, or would not be seen, as $'a\nb' (POSIX.1-2024, 2.2.4). */
std::string quote_for_shell(std::string_view argument)
{
    const bool visible = argument.find_first_of("\n\t") == argument.npos && escape_for_terminal(argument) == argument;
    std::string quoted = visible ? "'" : "$'";
    for (const char c : argument) {
        const auto byte = static_cast<unsigned char>(c);
        if (visible)
            quoted += c == '\'' ? std::string{"'\\''"} : std::string{c};
        else if (c == '\'')
            quoted += "\\'";
        else if (byte < 0x80)
            quoted += escape_for_line({&c, 1});
        else
            quoted += fmt::format("\\x{:02x}", byte);
    }
    return quoted + '\'';
}

} // namespace

void Table::print(std::ostream& out, bool colours) const
{
    std::vector<std::size_t> widths;
    for (const auto& row : rows_)
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths.resize(std::max(widths.size(), row.size()));
            widths[i] = std::max(widths[i], width(row[i].text));
        }
    for (const auto& row : rows_) {
        std::string line;
        std::size_t padding = 0; // written before the next text, so that no line ends in spaces
        for (std::size_t i = 0; i < row.size(); ++i) {
            const std::string& text = row[i].text;
            if (!text.empty()) {
                line.append(padding, ' ');
                line += paint(text, row[i].style, colours);
                padding = 0;
            }
            padding += widths[i] - width(text) + 2;
        }
        out << line << '\n';
    }
}

std::vector<Cell> heading(std::initializer_list<const char*> names)
{
    std::vector<Cell> row;
    for (const char* name : names)
        row.emplace_back(name, Style::heading);
    return row;
}

Style style_of(std::string_view state) noexcept
{
    if (state == "succeeded")
        return Style::good;
    if (state == "running")
        return Style::active;
    if (state == "queued" || state == "cancelled" || state == "superseded" || state == "interrupted")
        return Style::faint;
    return state.empty() ? Style::plain : Style::bad;
}

std::string paint(const std::string& text, Style style, bool colours)
{
    if (!colours || style == Style::plain)
        return text;
    const auto code = [style] { // ECMA-48 "select graphic rendition"
        switch (style) {
        case Style::good:
            return "32";
        case Style::bad:
            return "31";
        case Style::active:
            return "33";
        case Style::faint:
            return "2";
        default:
            return "1";
        }
    };
    return fmt::format("\x1b[{}m{}\x1b[0m", code(), text);
}

std::string escape_for_terminal(std::string_view text)
{
    std::string escaped;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find_first_of("\n\t\\"), text.size());
        escaped += escape_for_line(text.substr(0, end));
        escaped += text.substr(end, 1);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return escaped;
}

std::string format_time(std::string_view rfc3339)
{
    if (!parse_time(rfc3339))
        return std::string{rfc3339};
    std::string text{rfc3339.substr(0, 19)};
    text[10] = ' ';
    return text;
}

std::string format_elapsed(std::string_view from, std::string_view to)
{
    const auto start = parse_time(from);
    const auto end = parse_time(to);
    if (!start || !end)
        return "";
    const auto elapsed = std::chrono::round<Milliseconds>(*end - *start);
    if (elapsed < std::chrono::seconds{1})
        return fmt::format("{}ms", elapsed.count());
    if (elapsed < std::chrono::minutes{1})
        return fmt::format("{:.1f}s", std::chrono::duration<double>{elapsed}.count());
    return format_duration(std::chrono::round<std::chrono::seconds>(elapsed));
}

std::string format_command(std::span<const std::string> arguments)
{
    constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
    std::string command;
    for (const std::string& argument : arguments) {
        if (!command.empty())
            command += ' ';
        const bool is_plain = !argument.empty() && argument.find_first_not_of(plain) == std::string::npos;
        command += is_plain ? argument : quote_for_shell(argument);
    }
    return command;
}

} // namespace belay::cli
