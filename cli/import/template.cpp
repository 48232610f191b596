#include "cli/import/template.hpp"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <string_view>

namespace belay::webhook {
namespace {

constexpr std::string_view blanks = " \t\r\n";

/** An action of a template, without its delimiters and markers. */
struct Action {
    std::string_view text;
    std::size_t end = 0; ///< after its right delimiter
    bool trims_before = false;
    bool trims_after = false;
};

/** The offset of the right delimiter, which may be within a quoted text; npos: there is none. */
std::size_t find_end(std::string_view text, std::size_t from)
{
    if (const auto start = text.find_first_not_of(blanks, text.substr(from, 1) == "-" ? from + 1 : from);
        start != std::string_view::npos && text.substr(start, 2) == "/*") {
        const auto end = text.find("*/", start + 2);
        return end == std::string_view::npos ? end : text.find("}}", end);
    }
    for (std::size_t i = from; i < text.size(); ++i) {
        if (text.substr(i, 2) == "}}")
            return i;
        const char quote = text[i];
        if (quote != '"' && quote != '\'' && quote != '`')
            continue;
        for (++i; i < text.size() && text[i] != quote; ++i)
            if (text[i] == '\\' && quote != '`')
                ++i;
    }
    return std::string_view::npos;
}

/** @param at of its left delimiter */
std::optional<Action> read_action(std::string_view text, std::size_t at)
{
    const auto end = find_end(text, at + 2);
    if (end == std::string_view::npos)
        return std::nullopt;
    Action action{.text = text.substr(at + 2, end - at - 2), .end = end + 2};
    const auto is_blank = [](char c) { return blanks.find(c) != std::string_view::npos; };
    if (action.text.size() >= 2 && action.text[0] == '-' && is_blank(action.text[1])) {
        action.trims_before = true;
        action.text.remove_prefix(2);
    }
    if (action.text.size() >= 2 && action.text.ends_with('-') && is_blank(action.text[action.text.size() - 2])) {
        action.trims_after = true;
        action.text.remove_suffix(2);
    }
    return action;
}

/** As Go's template.JSEscape has it; what may not be printed but is beyond ASCII stays: JSON and YAML take it. */
std::string escape_for_javascript(std::string_view text)
{
    std::string escaped;
    for (const char c : text) {
        if (c == '\\' || c == '\'' || c == '"')
            escaped += fmt::format("\\{}", c);
        else if (c == '<' || c == '>' || c == '&' || c == '=' || (c >= 0 && c < 0x20))
            escaped += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
        else
            escaped += c;
    }
    return escaped;
}

/** Writes the text, and of each of its lines where it comes from. */
class Expander {
public:
    Expander(const std::string& text, const Environment& environment, std::vector<Remark>& remarks)
        : text_(text), environment_(environment), remarks_(remarks)
    {
    }

    FileText expand()
    {
        bool trims = false;
        for (std::size_t at = 0; at < text_.size();) {
            const auto begin = std::min(text_.find("{{", at), text_.size());
            const auto action = begin < text_.size() ? read_action(text_, begin) : Action{.end = text_.size()};
            if (!action)
                throw FileError{
                    line_of(begin), "\"{{\" begins an action that has no end: webhook drops the whole file"};
            append_literal(at, begin, trims, action->trims_before);
            if (begin < text_.size())
                append_value(evaluate(action->text, line_of(begin)));
            trims = action->trims_after;
            at = action->end;
        }
        return std::move(expanded_);
    }

private:
    /** Of what is at this offset or after the one asked before. */
    unsigned line_of(std::size_t offset)
    {
        line_ += static_cast<unsigned>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(seen_),
            text_.begin() + static_cast<std::ptrdiff_t>(offset), '\n'));
        seen_ = offset;
        return line_;
    }

    void append_literal(std::size_t begin, std::size_t end, bool trims_begin, bool trims_end)
    {
        std::string_view literal = std::string_view{text_}.substr(begin, end - begin);
        if (trims_begin)
            literal.remove_prefix(std::min(literal.find_first_not_of(blanks), literal.size()));
        begin = end - literal.size();
        if (trims_end)
            literal = literal.substr(0, literal.find_last_not_of(blanks) + 1);
        for (std::size_t i = 0; i < literal.size(); ++i) {
            expanded_.text += literal[i];
            if (literal[i] == '\n')
                expanded_.lines.push_back(line_of(begin + i + 1));
        }
    }

    void append_value(const std::string& value)
    {
        expanded_.text += value;
        check_size(expanded_.text); // before a short text has become a very long one
        expanded_.lines.insert(expanded_.lines.end(), static_cast<std::size_t>(std::ranges::count(value, '\n')), line_);
    }

    /** Go reads one right after the delimiter, or the marker and its blank, and nothing after it. */
    static bool is_comment(std::string_view action, unsigned line)
    {
        const auto start = action.find_first_not_of(blanks);
        if (start == std::string_view::npos || action.substr(start, 2) != "/*")
            return false;
        if (start != 0 || action.find("*/", 2) + 2 != action.size())
            throw FileError{line, "a comment of a template is written {{/* so */}} or {{- /* so */ -}}: webhook drops "
                                  "the whole file"};
        return true;
    }

    std::string evaluate(std::string_view action, unsigned line)
    {
        if (is_comment(action, line))
            return {};
        static const re2::RE2 known{R"re(\s*getenv\s+(?:"([^"\\\n]*)"|`([^`]*)`)\s*(\|\s*js\s*)?)re"};
        std::string quoted;
        std::string raw;
        std::string pipe;
        if (!re2::RE2::FullMatch(re2::StringPiece{action.data(), action.size()}, known, &quoted, &raw, &pipe)) {
            remarks_.push_back({Remark::Kind::loss, line,
                "this action of the template is left out: none but {{ getenv \"NAME\" }} and {{ getenv \"NAME\" | js "
                "}} "
                "are known"});
            return {};
        }
        const std::string& name = quoted.empty() ? raw : quoted;
        const auto value = environment_(name);
        if (!value)
            remarks_.push_back({Remark::Kind::loss, line,
                fmt::format(
                    "the variable {} is not set here, so that it is empty: import with webhook's environment", name)});
        else if (pipe.empty() && value->find_first_of("\r\n") != std::string::npos)
            remarks_.push_back({Remark::Kind::warning, line,
                fmt::format("the variable {} has line ends, at which webhook may refuse the file: write {{{{ getenv "
                            "\"{}\" | js }}}} within double quotes",
                    name, name)});
        return pipe.empty() ? value.value_or("") : escape_for_javascript(value.value_or(""));
    }

    const std::string& text_;
    const Environment& environment_;
    std::vector<Remark>& remarks_;
    FileText expanded_{.text = {}, .lines = {1}};
    std::size_t seen_ = 0;
    unsigned line_ = 1;
};

} // namespace

FileText expand_template(const std::string& text, const Environment& environment, std::vector<Remark>& remarks)
{
    check_size(text);
    return Expander{text, environment, remarks}.expand();
}

} // namespace belay::webhook
