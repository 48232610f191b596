#include "daemon/log_format.hpp"

#include "base/utf8.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <iterator>

namespace belay::log {
namespace {

/** Takes the first code point off `text`, which is not empty and valid UTF-8. */
char32_t take_code_point(std::string_view& text) noexcept
{
    const auto first = static_cast<unsigned char>(text[0]);
    const std::size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    char32_t code_point = size == 1 ? first : first & (0x7fU >> size);
    for (std::size_t i = 1; i < size; ++i)
        code_point = code_point << 6 | (static_cast<unsigned char>(text[i]) & 0x3fU);
    text.remove_prefix(size);
    return code_point;
}

/** Controls, and what ends a line for some readers (U+0085, U+2028, U+2029) or hides or reorders text. */
bool is_escaped_in_json(char32_t c) noexcept
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x061c || c == 0xfeff || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

void append_json_string(std::string& out, std::string_view text)
{
    if (!is_valid_utf8(text))
        return append_json_string(out, escape_for_line(text));
    out += '"';
    while (!text.empty()) {
        const char* begin = text.data();
        const char32_t c = take_code_point(text);
        if (c == U'"' || c == U'\\')
            (out += '\\') += static_cast<char>(c);
        else if (c == U'\n')
            out += "\\n";
        else if (c == U'\t')
            out += "\\t";
        else if (is_escaped_in_json(c)) // all below U+10000
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
        else
            out.append(begin, text.data());
    }
    out += '"';
}

struct AppendJson {
    std::string& out;
    void operator()(const std::string& v) const { append_json_string(out, v); }
    void operator()(const Uuid& v) const { append_json_string(out, to_string(v)); }
    void operator()(double v) const
    {
        if (std::isfinite(v))
            fmt::format_to(std::back_inserter(out), "{}", v);
        else
            append_json_string(out, fmt::format("{}", v)); // JSON has no word for it
    }
    void operator()(auto v) const { fmt::format_to(std::back_inserter(out), "{}", v); }
};

void append_member(std::string& out, std::string_view name, const OwnedValue& value)
{
    out += out.empty() ? '{' : ',';
    append_json_string(out, name);
    out += ':';
    std::visit(AppendJson{out}, value);
}

std::string_view colour_of(Level level) noexcept
{
    constexpr std::array<std::string_view, 5> colours{"\x1b[2m", "\x1b[2m", "\x1b[32m", "\x1b[33m", "\x1b[1;31m"};
    return colours[static_cast<std::size_t>(level)];
}

/** syslog(3): LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG. */
char priority_of(Level level) noexcept
{
    constexpr std::array priorities{'7', '7', '6', '4', '3'};
    return priorities[static_cast<std::size_t>(level)];
}

/** Only A-Z, 0-9 and '_', at most 64 bytes in all: what journald takes for a name (systemd.journal-fields(7)). */
std::string journal_name(std::string_view key)
{
    std::string name = "BELAY_";
    for (const char c : key.substr(0, 64 - name.size())) {
        if (c >= 'a' && c <= 'z')
            name += static_cast<char>(c - 'a' + 'A');
        else
            name += (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
    }
    return name;
}

} // namespace

std::string to_console(const Record& record, bool colour)
{
    return fmt::format("{} {}{:<7}{} {}\n", format_timestamp(record.time), colour ? colour_of(record.level) : "",
        to_string(record.level), colour ? "\x1b[0m" : "", to_line(record.message, record.fields));
}

std::string to_json(const Record& record, std::string_view logger)
{
    std::string line;
    append_member(line, "ts", format_timestamp(record.time));
    append_member(line, "level", std::string{to_string(record.level)});
    append_member(line, "logger", std::string{logger});
    append_member(line, "msg", record.message);
    for (const auto& [key, value] : record.fields)
        append_member(line, key, value);
    return line += "}\n";
}

std::vector<std::string> to_journal(const Record& record, std::string_view identifier)
{
    std::vector<std::string> entry;
    entry.reserve(3 + record.fields.size());
    entry.push_back("MESSAGE=" + to_line(record.message, record.fields));
    entry.push_back(std::string{"PRIORITY="} + priority_of(record.level));
    entry.push_back(fmt::format("SYSLOG_IDENTIFIER={}", identifier));
    for (const auto& [key, value] : record.fields)
        entry.push_back(journal_name(key) + '=' + to_text(value));
    return entry;
}

std::string to_datagram(const std::vector<std::string>& entry)
{
    std::string datagram;
    for (const std::string_view field : entry) {
        if (field.find('\n') == std::string_view::npos) {
            datagram.append(field) += '\n';
            continue;
        }
        const auto equals = field.find('=');
        const auto value = field.substr(equals + 1);
        datagram.append(field.substr(0, equals)) += '\n';
        for (std::uint64_t size = value.size(), i = 0; i < sizeof size; ++i, size >>= 8U) // little endian
            datagram += static_cast<char>(size & 0xffU);
        datagram.append(value) += '\n';
    }
    return datagram;
}

} // namespace belay::log
