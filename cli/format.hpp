#pragma once
#include "base/utf8.hpp"

#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace belay::cli {

enum class Style : unsigned char { plain, good, bad, active, faint, heading };

/** A text of a table, escaped for a line. */
struct Cell {
    Cell(const std::string& text_, Style style_ = Style::plain) : text(escape_for_line(text_)), style(style_) {}
    Cell(const char* text_) : Cell(std::string{text_}) {}

    /** A text that is escaped already. */
    [[nodiscard]] static Cell fit_for_line(std::string text)
    {
        Cell cell{""};
        cell.text = std::move(text);
        return cell;
    }

    std::string text;
    Style style = Style::plain;
};

/** Rows in columns that line up. */
class Table {
public:
    void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
    void print(std::ostream& out, bool colours) const;

private:
    std::vector<std::vector<Cell>> rows_;
};

/** The first row of a table. */
[[nodiscard]] std::vector<Cell> heading(std::initializer_list<const char*> names);

/** How the state of a job or the outcome of an attempt looks. */
[[nodiscard]] Style style_of(std::string_view state) noexcept;

/** `text` in the colours of `style`, if any. */
[[nodiscard]] std::string paint(const std::string& text, Style style, bool colours);

/** Many lines for a terminal: like escape_for_line(), but new lines, tabs and backslashes stay as they are. */
[[nodiscard]] std::string escape_for_terminal(std::string_view text);

/** "2026-03-01T09:30:00.250000Z" → "2026-03-01 09:30:00"; other text as it is. */
[[nodiscard]] std::string format_time(std::string_view rfc3339);

/** Between two RFC 3339 times in UTC: "250ms", "3.2s", "1h5m"; "" unless both can be read. */
[[nodiscard]] std::string format_elapsed(std::string_view from, std::string_view to);

/** The words on a line, as a shell would take them: /bin/echo 'a b' $'two\nlines'. */
[[nodiscard]] std::string format_command(std::span<const std::string> arguments);

} // namespace belay::cli
