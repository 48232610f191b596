#include "belayd/config/rule.hpp"

#include "belayd/config/config.hpp"
#include "belayd/config/custom_scheme.hpp"
#include "belayd/config/values.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

namespace belay::config {
namespace {

using Kind = Rule::Kind;
using Test = Rule::Test;

constexpr std::size_t max_description = 300; // a sender is told, in a line

/** In the order of the enumerators. */
struct Words {
    std::string_view key;
    std::string_view matches;
    std::string_view does_not;
};

constexpr auto words = std::to_array<Words>({
    {"equals", "is", "is not"},
    {"in", "is one of", "is none of"},
    {"regex", "matches", "does not match"},
    {"glob", "is like", "is not like"},
    {"prefix", "begins with", "does not begin with"},
    {"exists", "is there", "is missing"},
    {"less_than", "is less than", "is not less than"},
    {"at_most", "is at most", "is not at most"},
    {"more_than", "is more than", "is not more than"},
    {"at_least", "is at least", "is not at least"},
});

const Words& words_of(Test test)
{
    return words.at(static_cast<std::size_t>(test));
}

/** At the end of a character of UTF-8. */
std::string cut(std::string text)
{
    if (text.size() <= max_description)
        return text;
    std::size_t end = max_description;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U)
        --end;
    return text.substr(0, end) + "…";
}

std::string describe_operands(const Rule& rule)
{
    std::vector<std::string> texts;
    for (const auto& operand : rule.operands)
        texts.push_back(write_operand(operand));
    return fmt::format("{}", fmt::join(texts, ", "));
}

std::string describe_test(const Rule& rule, bool matches)
{
    const auto& [key, match, mismatch] = words_of(rule.test);
    const std::string what = describe(rule.source);
    if (rule.test == Test::exists)
        return fmt::format("{} {}", what, std::get<bool>(rule.operands.front()) == matches ? match : mismatch);
    if (takes_networks(rule))
        return fmt::format("{} {} {}", what, matches ? "is in" : "is not in", describe_operands(rule));
    return fmt::format("{} {} {}", what, matches ? match : mismatch, describe_operands(rule));
}

/** The sender's name, or where its signature is. */
std::string describe_signature(const Rule& rule)
{
    const Scheme& scheme = rule.auth->scheme;
    if (scheme.header.empty())
        return "signature in " + describe(rule.source);
    return scheme.name == custom_scheme_name ? fmt::format("signature in {}", to_toml(std::string_view{scheme.header}))
                                             : fmt::format("signature by {}", to_toml(std::string_view{scheme.name}));
}

std::string describe_list(const Rule& rule, std::string_view word)
{
    std::string text;
    for (const auto& child : rule.rules) {
        text += (text.empty() ? "" : "; ") + describe(child);
        if (text.size() > max_description)
            break;
    }
    return fmt::format("{} ({})", word, text);
}

} // namespace

std::string_view key_of(Test test) noexcept
{
    return words[static_cast<std::size_t>(test)].key;
}

bool takes_networks(const Rule& rule) noexcept
{
    return rule.test == Test::in && rule.source.kind == ValueSource::Kind::request &&
           rule.source.text == "remote_address";
}

std::string write_operand(const Rule::Operand& operand)
{
    if (const auto* const text = std::get_if<std::string>(&operand))
        return to_toml(std::string_view{*text});
    if (const auto* const boolean = std::get_if<bool>(&operand))
        return *boolean ? "true" : "false";
    if (const auto* const integer = std::get_if<std::int64_t>(&operand))
        return std::to_string(*integer);
    const std::string number = fmt::format("{}", std::get<double>(operand));
    return number.find_first_of(".e") == std::string::npos ? number + ".0" : number; // else it is an integer
}

std::string describe(const Rule& rule)
{
    switch (rule.kind) {
    case Kind::all:
        return cut(describe_list(rule, "all of"));
    case Kind::any:
        return cut(describe_list(rule, "any of"));
    case Kind::negation:
        return cut(fmt::format("not ({})", describe(rule.rules.front())));
    case Kind::signature:
        return describe_signature(rule) + " is good";
    case Kind::test:
        break;
    }
    return cut(describe_test(rule, /*matches=*/true));
}

std::string describe_mismatch(const Rule& rule)
{
    switch (rule.kind) {
    case Kind::all:
        return cut(describe_list(rule, "not all of"));
    case Kind::any:
        return cut(describe_list(rule, "none of"));
    case Kind::negation:
        return cut(describe(rule.rules.front()));
    case Kind::signature:
        return describe_signature(rule) + " is not good";
    case Kind::test:
        break;
    }
    return cut(describe_test(rule, /*matches=*/false));
}

} // namespace belay::config
