#include "belayd/hooks/webhook_form.hpp"

#include "belayd/hooks/media_type.hpp"

#include <boost/beast/core/string.hpp>

#include <algorithm>

namespace belay::hooks {
namespace {

using boost::beast::iequals;

std::optional<unsigned> hex_digit(char c) noexcept
{
    if (c >= '0' && c <= '9')
        return static_cast<unsigned>(c - '0');
    const char letter = static_cast<char>(c | 0x20);
    if (letter >= 'a' && letter <= 'f')
        return static_cast<unsigned>(letter - 'a' + 10);
    return std::nullopt;
}

std::optional<std::string> unescape(std::string_view text)
{
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            plain += text[i] == '+' ? ' ' : text[i];
            continue;
        }
        const auto high = i + 2 < text.size() ? hex_digit(text[i + 1]) : std::nullopt;
        const auto low = i + 2 < text.size() ? hex_digit(text[i + 2]) : std::nullopt;
        if (!high || !low)
            return std::nullopt;
        plain += static_cast<char>(*high * 16 + *low);
        i += 2;
    }
    return plain;
}

bool is_blank(char c) noexcept
{
    return c == ' ' || c == '\t';
}

std::string_view trim(std::string_view text) noexcept
{
    while (!text.empty() && is_blank(text.front()))
        text.remove_prefix(1);
    while (!text.empty() && (is_blank(text.back()) || text.back() == '\r'))
        text.remove_suffix(1);
    return text;
}

/** Reads parts one after the other. */
class PartReader {
public:
    PartReader(std::string_view body, const std::string& boundary) : rest_(body), dashes_("--" + boundary) {}

    std::optional<std::vector<GoPart>> run()
    {
        if (!skip_preamble())
            return std::nullopt;
        std::vector<GoPart> parts;
        while (!at_end_) {
            GoPart part;
            if (!read_head(part) || !read_content(part))
                return std::nullopt;
            if (!part.name.empty())
                parts.push_back(std::move(part));
        }
        return parts;
    }

private:
    /** With its end; nothing at the end of the body. */
    std::optional<std::string_view> take_line()
    {
        const auto end = rest_.find('\n');
        if (end == std::string_view::npos)
            return std::nullopt;
        const auto line = rest_.substr(0, end + 1);
        rest_.remove_prefix(end + 1);
        return line;
    }

    /** Whether a line is the last boundary. */
    [[nodiscard]] bool is_final(std::string_view line) const
    {
        return line.starts_with(dashes_ + "--") && is_end(line.substr(dashes_.size() + 2), /*or_nothing=*/true);
    }

    [[nodiscard]] bool is_end(std::string_view text, bool or_nothing) const
    {
        while (!text.empty() && is_blank(text.front()))
            text.remove_prefix(1);
        return text == newline_ || (or_nothing && text.empty());
    }

    bool skip_preamble()
    {
        for (;;) {
            const auto line = take_line();
            if (!line) {
                at_end_ = is_final(rest_);
                return at_end_;
            }
            if (is_final(*line)) {
                at_end_ = true;
                return true;
            }
            if (!line->starts_with(dashes_))
                continue;
            const auto end = line->substr(dashes_.size());
            if (end.ends_with('\n') && end.find_first_not_of(" \t") == end.size() - 1)
                newline_ = "\n"; // and so do the others end
            if (is_end(end, /*or_nothing=*/false))
                return true;
        }
    }

    bool read_head(GoPart& part)
    {
        for (;;) {
            const auto line = take_line();
            if (!line)
                return false;
            const auto text = line->substr(0, line->size() - (line->ends_with("\r\n") ? 2 : 1));
            if (text.empty())
                return true;
            const auto colon = text.find(':');
            if (colon == std::string_view::npos || colon == 0 || is_blank(text.front()))
                return false;
            if (!read_field(text.substr(0, colon), trim(text.substr(colon + 1)), part))
                return false;
        }
    }

    static bool read_field(std::string_view name, std::string_view value, GoPart& part)
    {
        if (iequals(name, "Content-Type"))
            part.is_json = part.is_json || value == "application/json";
        if (iequals(name, "Content-Transfer-Encoding") && iequals(value, "quoted-printable"))
            return false; // Go would decode it; no sender is known to send it
        if (!iequals(name, "Content-Disposition"))
            return true;
        const auto disposition = parse_parameterised_word(value);
        if (!disposition || disposition->word != "form-data")
            return true;
        if (const auto* const field = disposition->find("name"))
            part.name = *field;
        const auto* const file = disposition->find("filename");
        part.is_file = file != nullptr && !file->empty();
        return true;
    }

    bool read_content(GoPart& part)
    {
        const std::string delimiter = newline_ + dashes_;
        if (rest_.starts_with(dashes_) && ends_part(rest_.substr(dashes_.size())))
            return finish("", dashes_.size(), part);
        for (auto at = rest_.find(delimiter); at != std::string_view::npos; at = rest_.find(delimiter, at + 1))
            if (ends_part(rest_.substr(at + delimiter.size())))
                return finish(rest_.substr(0, at), at + delimiter.size(), part);
        return false;
    }

    /** What may follow the name of a boundary within a body. */
    static bool ends_part(std::string_view text)
    {
        return text.empty() || is_blank(text.front()) || text.front() == '\r' || text.front() == '\n' ||
               text.front() == '-';
    }

    bool finish(std::string_view content, std::size_t consumed, GoPart& part)
    {
        part.content = content;
        rest_.remove_prefix(consumed);
        if (rest_.starts_with("--") && is_final(dashes_ + std::string{rest_.substr(0, rest_.find('\n') + 1)})) {
            at_end_ = true;
            return true;
        }
        if (rest_.find('\n') == std::string_view::npos) {
            at_end_ = is_final(dashes_ + std::string{rest_});
            return at_end_;
        }
        const auto line = take_line();
        return line && is_end(*line, /*or_nothing=*/false);
    }

    std::string_view rest_;
    std::string dashes_;
    std::string newline_ = "\r\n";
    bool at_end_ = false;
};

} // namespace

GoQuery parse_go_query(std::string_view text)
{
    GoQuery query;
    std::vector<GoValue::Member> members;
    while (!text.empty()) {
        const auto end = std::min(text.find('&'), text.size());
        const auto pair = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (pair.empty())
            continue;
        const auto equals = std::min(pair.find('='), pair.size());
        auto name = unescape(pair.substr(0, equals));
        auto value = unescape(pair.substr(std::min(equals + 1, pair.size())));
        if (pair.find(';') != std::string_view::npos || !name || !value)
            query.is_sound = false;
        else
            members.push_back({std::move(*name), make_go_text(std::move(*value))});
    }
    std::ranges::reverse(members); // the first of a name counts
    query.values = make_go_object(std::move(members));
    return query;
}

std::optional<std::vector<GoPart>> parse_go_multipart(std::string_view body, std::string_view content_type)
{
    const auto type = parse_parameterised_word(content_type);
    const auto* const boundary = type && type->word == "multipart/form-data" ? type->find("boundary") : nullptr;
    if (boundary == nullptr)
        return std::nullopt;
    return PartReader{body, *boundary}.run();
}

} // namespace belay::hooks
