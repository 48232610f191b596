// The one source that includes toml11.  Debian 12 has 3.7.1, Debian 13 has 4.4: parse() and place() differ.
#include "belayd/config/toml_document.hpp"

#include "belayd/config/load.hpp"
#include "belayd/config/toml_limits.hpp"

#include <fmt/format.h>
#include <toml.hpp>

#include <algorithm>
#include <sstream>
#include <tuple>
#include <utility>

#if TOML11_VERSION_MAJOR >= 4

namespace belay::config {
namespace {

struct FirstError {
    toml::error_info info;
};

} // namespace
} // namespace belay::config

/**
 * Ends with the first error.  toml11 goes on to find more of them, and may not come to an end: at a comment in an array
 * it turns for ever, at a '=' in one its recursion has no end (4.4.0, skip.hpp).
 */
template <>
inline void toml::detail::context<toml::type_config>::report_error(error_info error)
{
    throw belay::config::FirstError{std::move(error)};
}

#endif

namespace belay::config {
namespace {

struct Place {
    std::size_t line = 1;
    std::size_t column = 1;
};

struct SyntaxError {
    Place place;
    std::string message;
};

/** toml11 names its functions: "[error] toml::parse_key: …". */
std::string first_sentence(std::string text)
{
    text = text.substr(0, text.find('\n'));
    for (const std::string_view prefix : {"[error] ", "toml::"}) {
        if (!text.starts_with(prefix))
            continue;
        const auto end = prefix == "toml::" ? text.find(": ") : prefix.size() - 2;
        text.erase(0, end == std::string::npos ? 0 : end + 2);
    }
    while (text.ends_with(' ') || text.ends_with('.'))
        text.pop_back();
    return text.empty() ? "this is not a TOML value; a string needs quotes" : text;
}

/** Where each line of a text begins. */
class LineTable {
public:
    explicit LineTable(std::string_view text) : starts_{0}
    {
        for (auto at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at + 1))
            starts_.push_back(at + 1);
    }

    [[nodiscard]] Place place(std::size_t offset) const noexcept
    {
        const auto next = std::upper_bound(starts_.begin(), starts_.end(), offset);
        return {static_cast<std::size_t>(next - starts_.begin()), offset - *std::prev(next) + 1};
    }

private:
    std::vector<std::size_t> starts_;
};

#if TOML11_VERSION_MAJOR >= 4

Place place(const toml::value& value, const LineTable&)
{
    return {value.location().first_line_number(), value.location().first_column_number()};
}

SyntaxError describe(const toml::error_info& info)
{
    SyntaxError error;
    error.message = first_sentence(info.title());
    if (!info.locations().empty()) {
        const auto& [location, hint] = info.locations().front();
        error.place = {location.first_line_number(), location.first_column_number()};
        error.message += hint == "here" ? "" : ": " + hint;
    }
    return error;
}

toml::value parse(const std::string& text, const std::string& file)
{
    std::istringstream in{text};
    try {
        auto result = toml::try_parse(in, file);
        if (result.is_ok())
            return std::move(result.unwrap());
        throw FirstError{result.unwrap_err().at(0)};
    } catch (const FirstError& error) {
        throw describe(error.info);
    }
}

#else

/** Not value.location(): it counts the lines before the value, which makes half a minute of 4,000 hooks. */
Place place(const toml::value& value, const LineTable& lines)
{
    const auto* region = dynamic_cast<const toml::detail::region*>(toml::detail::get_region(value));
    return region ? lines.place(static_cast<std::size_t>(region->first() - region->begin())) : Place{};
}

toml::value parse(const std::string& text, const std::string& file)
{
    try {
        std::istringstream in{text};
        return toml::parse(in, file);
    } catch (const toml::exception& error) {
        throw SyntaxError{{error.location().line(), error.location().column()}, first_sentence(error.what())};
    } catch (const std::exception& error) { // e.g. std::out_of_range from a number
        throw SyntaxError{{}, first_sentence(error.what())};
    }
}

#endif

std::vector<std::string> split_lines(std::string_view text)
{
    std::vector<std::string> lines;
    for (std::size_t start = 0; start < text.size();) {
        const auto end = std::min(text.find('\n', start), text.size());
        lines.emplace_back(text.substr(start, end - start));
        if (lines.back().ends_with('\r'))
            lines.back().pop_back();
        start = end + 1;
    }
    return lines;
}

std::chrono::sys_seconds to_time(const toml::offset_datetime& time)
{
    using namespace std::chrono;
    const year_month_day day{year{time.date.year}, month{static_cast<unsigned>(time.date.month) + 1U},
        std::chrono::day{static_cast<unsigned>(time.date.day)}};
    return sys_days{day} + hours{time.time.hour} + minutes{time.time.minute} + seconds{time.time.second} -
           hours{time.offset.hour} - minutes{time.offset.minute};
}

/** Turns toml11's values into Nodes.  toml11 knows where a value begins, not its key: that is found in the line. */
class Conversion {
public:
    Conversion(const Document& document, const LineTable& lines) noexcept : document_(document), lines_(lines) {}

    Node convert(const toml::value& value, const Origin& key) const
    {
        Node node;
        node.origin = origin(place(value, lines_));
        switch (value.type()) {
        case toml::value_t::table:
            node.type = Node::Type::table;
            add_members(node, value, key);
            break;
        case toml::value_t::array:
            node.type = Node::Type::array;
            for (const auto& element : value.as_array())
                node.elements.push_back(convert(element, key));
            break;
        case toml::value_t::string:
            node.type = Node::Type::string;
            node.text = toml::get<std::string>(value);
            break;
        case toml::value_t::integer:
            node.type = Node::Type::integer;
            node.integer = value.as_integer();
            break;
        case toml::value_t::boolean:
            node.type = Node::Type::boolean;
            node.boolean = value.as_boolean();
            break;
        case toml::value_t::floating:
            node.type = Node::Type::real;
            node.real = value.as_floating();
            break;
        case toml::value_t::offset_datetime:
            node.type = Node::Type::time;
            node.time = to_time(value.as_offset_datetime());
            break;
        default:
            node.type = Node::Type::time;
            break;
        }
        return node;
    }

private:
    void add_members(Node& node, const toml::value& table, const Origin& parent) const
    {
        for (const auto& [key, value] : table.as_table()) {
            const Origin where = key_origin(origin(place(value, lines_)), key, parent);
            node.members.push_back({key, where, convert(value, where)});
        }
        std::sort(node.members.begin(), node.members.end(), [](const Node::Member& a, const Node::Member& b) {
            return std::tie(a.origin.line, a.origin.column, a.key) < std::tie(b.origin.line, b.origin.column, b.key);
        });
    }

    Origin origin(Place where) const
    {
        return {document_.file, std::max(1U, static_cast<unsigned>(where.line)),
            std::max(1U, static_cast<unsigned>(where.column))};
    }

    /** `key = value`: left of the value.  A table made by [a.key] or a.key.b = …: right of its parent's key. */
    Origin key_origin(Origin value, std::string_view key, const Origin& parent) const
    {
        if (value.line > document_.lines.size())
            return value;
        const std::string_view line = document_.lines[value.line - 1];
        const std::string_view before = line.substr(0, value.column - 1);
        const auto equals = before.find_last_not_of(" \t");
        if (equals != std::string_view::npos && before[equals] == '=') {
            auto end = before.find_last_not_of(" \t", equals == 0 ? 0 : equals - 1);
            if (end == std::string_view::npos)
                return value;
            const bool quoted = before[end] == '"' || before[end] == '\'';
            const auto length = key.size() + (quoted ? 2 : 0);
            if (end + 1 >= length && before.substr(end + 1 - length + (quoted ? 1 : 0), key.size()) == key)
                value.column = static_cast<unsigned>(end + 1 - length) + 1;
            return value;
        }
        const auto from = parent.line == value.line && parent.column > value.column ? parent.column : value.column - 1;
        if (const auto found = line.find(key, from); found != std::string_view::npos)
            value.column = static_cast<unsigned>(found) + 1;
        return value;
    }

    const Document& document_;
    const LineTable& lines_;
};

[[noreturn]] void refuse(const Document& document, Place where, std::string message)
{
    Diagnostic diagnostic{{document.file, static_cast<unsigned>(where.line), static_cast<unsigned>(where.column)},
        std::move(message), {}};
    if (where.line >= 1 && where.line <= document.lines.size())
        diagnostic.line = document.lines[where.line - 1];
    throw ConfigError{{std::move(diagnostic)}};
}

} // namespace

const Node::Member* Node::find(std::string_view key) const noexcept
{
    const auto found =
        std::find_if(members.begin(), members.end(), [key](const Member& member) { return member.key == key; });
    return found == members.end() ? nullptr : &*found;
}

std::string_view describe(Node::Type type) noexcept
{
    switch (type) {
    case Node::Type::table:
        return "a table";
    case Node::Type::array:
        return "an array";
    case Node::Type::string:
        return "a string";
    case Node::Type::integer:
        return "an integer";
    case Node::Type::real:
        return "a floating-point number";
    case Node::Type::boolean:
        return "a boolean";
    case Node::Type::time:
        break;
    }
    return "a date or time";
}

Document parse_document(const std::string& text, const std::string& file)
{
    Document document{file, {}, {}};
    if (text.size() <= max_file_bytes)
        document.lines = split_lines(text);
    if (auto excess = find_excess(text))
        refuse(document, {excess->line, excess->column}, std::move(excess->message));
    try {
        const toml::value value = parse(text, file);
        document.root = Conversion{document, LineTable{text}}.convert(value, {});
    } catch (const SyntaxError& error) {
        refuse(document, error.place, "syntax error: " + error.message);
    }
    return document;
}

} // namespace belay::config
