#include "belayd/hooks/webhook_json.hpp"

#include "belayd/hooks/payload.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

namespace belay::hooks {
namespace {

using Kind = GoValue::Kind;

constexpr std::size_t max_nesting = 512; // Go: 10,000, which our stacks need not hold
constexpr std::string_view replacement = "\xef\xbf\xbd";

/** The length of the first character, 0 if it is none of UTF-8 (RFC 3629). */
std::size_t character_length(std::string_view text) noexcept
{
    const auto at = [&text](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
    const auto is_tail = [&at](std::size_t i) { return (at(i) & 0xc0U) == 0x80U; };
    const unsigned first = at(0);
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        return is_tail(1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        const bool sound = (first != 0xe0 || at(1) >= 0xa0) && (first != 0xed || at(1) <= 0x9f);
        return sound && is_tail(1) && is_tail(2) ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        const bool sound = (first != 0xf0 || at(1) >= 0x90) && (first != 0xf4 || at(1) <= 0x8f);
        return sound && is_tail(1) && is_tail(2) && is_tail(3) ? 4 : 0;
    }
    return 0;
}

void append_utf8(std::string& text, unsigned code)
{
    const auto put = [&text](unsigned byte) { text += static_cast<char>(byte); };
    if (code < 0x80) {
        put(code);
    } else if (code < 0x800) {
        put(0xc0 | (code >> 6));
        put(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        put(0xe0 | (code >> 12));
        put(0x80 | ((code >> 6) & 0x3f));
        put(0x80 | (code & 0x3f));
    } else {
        put(0xf0 | (code >> 18));
        put(0x80 | ((code >> 12) & 0x3f));
        put(0x80 | ((code >> 6) & 0x3f));
        put(0x80 | (code & 0x3f));
    }
}

/** Each function that returns a bool is false where the text is no JSON; it then stands anywhere. */
class Parser {
public:
    explicit Parser(std::string_view text) noexcept : text_(text) {}

    bool parse(GoValue& value)
    {
        skip_blanks();
        switch (peek()) {
        case '{':
            return parse_object(value);
        case '[':
            return parse_array(value);
        case '"':
            value.kind = Kind::text;
            return parse_text(value.text);
        case 't':
            return parse_word("true", Kind::boolean, value);
        case 'f':
            return parse_word("false", Kind::boolean, value);
        case 'n':
            return parse_word("null", Kind::null, value);
        default:
            return parse_number(value);
        }
    }

private:
    [[nodiscard]] char peek() const noexcept { return at_ < text_.size() ? text_[at_] : '\0'; }

    bool take(char c) noexcept
    {
        const bool is_there = at_ < text_.size() && text_[at_] == c;
        at_ += is_there ? 1 : 0;
        return is_there;
    }

    void skip_blanks() noexcept
    {
        while (
            at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r' || text_[at_] == '\n'))
            ++at_;
    }

    void descend()
    {
        if (++depth_ > max_nesting)
            throw MalformedPayload{fmt::format("the JSON is nested more than {} deep", max_nesting)};
    }

    bool parse_word(std::string_view word, Kind kind, GoValue& value)
    {
        if (!text_.substr(at_).starts_with(word))
            return false;
        at_ += word.size();
        value.kind = kind;
        value.text = word;
        return true;
    }

    std::size_t take_digits() noexcept
    {
        const auto from = at_;
        while (peek() >= '0' && peek() <= '9')
            ++at_;
        return at_ - from;
    }

    bool parse_number(GoValue& value)
    {
        const auto from = at_;
        take('-');
        if (!take('0') && take_digits() == 0)
            return false;
        if (take('.') && take_digits() == 0)
            return false;
        if (take('e') || take('E')) {
            if (!take('+'))
                take('-');
            if (take_digits() == 0)
                return false;
        }
        value.kind = Kind::number;
        value.text = text_.substr(from, at_ - from);
        return true;
    }

    /** Four digits after "\u". */
    bool parse_unit(unsigned& unit)
    {
        const auto digits = text_.substr(std::min(at_, text_.size()), 4);
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), unit, 16);
        at_ += 4;
        return digits.size() == 4 && error == std::errc{} && end == digits.data() + 4;
    }

    bool parse_unicode(std::string& text)
    {
        unsigned unit = 0;
        if (!parse_unit(unit))
            return false;
        const bool is_lead = unit >= 0xd800 && unit < 0xdc00;
        if (is_lead && text_.substr(at_).starts_with("\\u")) {
            const auto before = at_;
            unsigned second = 0;
            at_ += 2;
            if (!parse_unit(second))
                return false;
            if (second >= 0xdc00 && second < 0xe000) {
                append_utf8(text, 0x10000 + ((unit - 0xd800) << 10) + (second - 0xdc00));
                return true;
            }
            at_ = before;
        }
        if (unit >= 0xd800 && unit < 0xe000)
            text += replacement;
        else
            append_utf8(text, unit);
        return true;
    }

    bool parse_escape(std::string& text)
    {
        constexpr std::string_view letters = "\"\\/bfnrt";
        constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
        const char letter = peek();
        ++at_;
        if (letter == 'u')
            return parse_unicode(text);
        const auto which = letters.find(letter);
        if (which == std::string_view::npos)
            return false;
        text += meanings[which];
        return true;
    }

    bool parse_text(std::string& text)
    {
        for (++at_; at_ < text_.size();) {
            const char c = text_[at_];
            if (c == '"') {
                ++at_;
                return true;
            }
            if (static_cast<unsigned char>(c) < 0x20)
                return false;
            if (c == '\\') {
                ++at_;
                if (!parse_escape(text))
                    return false;
                continue;
            }
            const auto length = character_length(text_.substr(at_, 4));
            text += length == 0 ? replacement : text_.substr(at_, length);
            at_ += std::max<std::size_t>(length, 1);
        }
        return false;
    }

    bool parse_array(GoValue& value)
    {
        descend();
        value.kind = Kind::array;
        ++at_;
        skip_blanks();
        if (!take(']')) {
            do {
                if (!parse(value.elements.emplace_back()))
                    return false;
                skip_blanks();
            } while (take(','));
            if (!take(']'))
                return false;
        }
        --depth_;
        return true;
    }

    bool parse_object(GoValue& value)
    {
        descend();
        std::vector<GoValue::Member> members;
        ++at_;
        skip_blanks();
        if (!take('}')) {
            do {
                skip_blanks();
                GoValue::Member& member = members.emplace_back();
                if (peek() != '"' || !parse_text(member.name))
                    return false;
                skip_blanks();
                if (!take(':') || !parse(member.value))
                    return false;
                skip_blanks();
            } while (take(','));
            if (!take('}'))
                return false;
        }
        value = make_go_object(std::move(members));
        --depth_;
        return true;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t depth_ = 0;
};

void append_quoted(std::string& json, std::string_view text)
{
    json += '"';
    while (!text.empty()) {
        const auto length = character_length(text.substr(0, 4));
        const auto character = text.substr(0, std::max<std::size_t>(length, 1));
        const char c = text.front();
        if (length == 0)
            json += "\\ufffd";
        else if (c == '"' || c == '\\')
            json += {'\\', c};
        else if (c == '\n' || c == '\r' || c == '\t')
            json += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
        else if (length == 1 && (static_cast<unsigned char>(c) < 0x20 || c == '<' || c == '>' || c == '&'))
            json += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        else if (character == "\xe2\x80\xa8" || character == "\xe2\x80\xa9")
            json += character.back() == '\xa8' ? "\\u2028" : "\\u2029";
        else
            json += character;
        text.remove_prefix(character.size());
    }
    json += '"';
}

void append_json(std::string& json, const GoValue& value)
{
    switch (value.kind) {
    case Kind::null:
        json += "null";
        return;
    case Kind::boolean:
    case Kind::number:
        json += value.text;
        return;
    case Kind::text:
        append_quoted(json, value.text);
        return;
    case Kind::array:
        json += '[';
        for (const GoValue& element : value.elements) {
            if (&element != &value.elements.front())
                json += ',';
            append_json(json, element);
        }
        json += ']';
        return;
    case Kind::object:
        break;
    }
    if (value.is_null_map) {
        json += "null";
        return;
    }
    json += '{';
    for (const auto& member : value.members) {
        if (&member != &value.members.front())
            json += ',';
        append_quoted(json, member.name);
        json += ':';
        append_json(json, member.value);
    }
    json += '}';
}

Found find_in_array(std::string_view path, const GoValue& array)
{
    const auto dot = path.find('.');
    const auto digits = path.substr(0, dot);
    std::uint64_t index = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    if (array.elements.empty() || digits.empty() || error != std::errc{} || end != digits.data() + digits.size())
        return {};
    if (index > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        return {Walk::failed}; // it is negative as an int, which panics
    if (index >= array.elements.size())
        return {};
    const GoValue& element = array.elements[index];
    return dot == std::string_view::npos ? Found{Walk::found, &element} : find_go_path(path.substr(dot + 1), element);
}

} // namespace

const GoValue* GoValue::find(std::string_view name) const noexcept
{
    const auto found = std::ranges::lower_bound(members, name, {}, &Member::name);
    return found == members.end() || found->name != name ? nullptr : &found->value;
}

GoValue* GoValue::find(std::string_view name) noexcept
{
    return const_cast<GoValue*>(std::as_const(*this).find(name)); // of what is not constant
}

GoValue make_go_text(std::string text)
{
    return {.kind = Kind::text, .text = std::move(text), .members = {}};
}

GoValue make_go_object(std::vector<GoValue::Member> members)
{
    std::ranges::reverse(members);
    std::ranges::stable_sort(members, {}, &GoValue::Member::name);
    const auto doubles = std::ranges::unique(members, {}, &GoValue::Member::name);
    members.erase(doubles.begin(), doubles.end());
    return {.kind = Kind::object, .members = std::move(members)};
}

std::optional<GoValue> parse_go_json(std::string_view text)
{
    GoValue value;
    if (!Parser{text}.parse(value))
        return std::nullopt;
    return value;
}

std::string to_go_json(const GoValue& value)
{
    std::string json;
    append_json(json, value);
    return json;
}

std::string to_go_text(const GoValue& value)
{
    switch (value.kind) {
    case Kind::null:
        return "<nil>";
    case Kind::boolean:
    case Kind::number:
    case Kind::text:
        return value.text;
    case Kind::array:
    case Kind::object:
        break;
    }
    return to_go_json(value);
}

Found find_go_path(std::string_view path, const GoValue& value)
{
    if (value.kind == Kind::null)
        return {Walk::failed};
    if (value.kind == Kind::array)
        return find_in_array(path, value);
    if (value.kind != Kind::object)
        return {};
    if (const GoValue* const whole = value.find(path))
        return {Walk::found, whole};
    const auto dot = path.find('.');
    if (dot == std::string_view::npos)
        return {};
    const GoValue* const part = value.find(path.substr(0, dot));
    return part == nullptr ? Found{} : find_go_path(path.substr(dot + 1), *part);
}

} // namespace belay::hooks
