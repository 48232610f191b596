#include "belayd/config/value_schema.hpp"

#include "belayd/config/checks.hpp"
#include "belayd/config/values.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace belay::config {
namespace {

using Kind = ValueSource::Kind;

// Of an event there are values only once there is one: rules and others that come before do not know them.
constexpr auto kinds =
    std::to_array<Kind>({Kind::payload, Kind::header, Kind::query, Kind::request, Kind::dotted_path});

std::string fault_in_part(const std::string& name, std::span<const std::string_view> parts, std::string_view whole)
{
    if (std::ranges::find(parts, name) != parts.end())
        return {};
    return fmt::format("is no part of {}: write one of \"{}\"", whole, fmt::join(parts, "\", \""));
}

/** What execve(2) would refuse. */
std::string fault_in_literal(const std::string& text)
{
    return text.size() < max_argument_bytes
               ? ""
               : fmt::format("is over {} bytes, more than Linux passes to a program", max_argument_bytes - 1);
}

std::string fault_in_source(const ValueSource& source)
{
    switch (source.kind) {
    case Kind::literal:
        return fault_in_literal(source.text);
    case Kind::payload:
        return fault_in_json_pointer(source.text);
    case Kind::header:
        return fault_in_header_name(source.text);
    case Kind::request:
        return fault_in_part(source.text, request_parts(), "a request");
    case Kind::event:
        return fault_in_part(source.text, event_parts(), "an event");
    case Kind::query:
    case Kind::dotted_path:
        break;
    }
    return source.text.empty() ? "is empty" : "";
}

std::optional<ValueSource> read_text(ValueSource source, const Node& node, const std::string& what, Problems& problems)
{
    const auto value = read_string(node, what, problems);
    if (!value)
        return std::nullopt;
    source.text = *value;
    if (const auto fault = fault_in_source(source); !fault.empty()) {
        const auto shown = source.kind == Kind::literal ? "" : fmt::format(" \"{}\"", source.text);
        problems.add(node.origin, fmt::format("{}{} {}", what, shown, fault));
        return std::nullopt;
    }
    return source;
}

std::string options_of(SourceUse use)
{
    switch (use) {
    case SourceUse::argument:
        return "default, decode and allow_dash";
    case SourceUse::variable:
        return "default, decode and overflow_file";
    case SourceUse::plain:
    case SourceUse::file:
        break;
    }
    return "default and decode";
}

void read_fallback(const Node& node, const std::string& what, SourceUse use, ValueSource& source, Problems& problems)
{
    const auto text = read_string(node, what + ": default", problems);
    if (!text)
        return;
    if (const auto fault = use == SourceUse::file ? std::string{} : fault_in_literal(*text); !fault.empty())
        problems.add(node.origin, fmt::format("{}: default {}", what, fault));
    source.fallback = *text;
}

void read_decoding(const Node& node, const std::string& what, ValueSource& source, Problems& problems)
{
    if (node.type != Node::Type::string || node.text != "base64")
        problems.add(node.origin, fmt::format("{}: decode must be \"base64\"", what));
    source.decoding = ValueSource::Decoding::base64;
}

bool read_flag(const Node& node, const std::string& what, Problems& problems)
{
    if (node.type != Node::Type::boolean)
        problems.add(node.origin, fmt::format("{} must be true or false, not {}", what, describe(node.type)));
    return node.boolean;
}

void read_overflow_file(const Node& node, const std::string& what, ValueSource& source, Problems& problems)
{
    const auto name = read_string(node, what + ": overflow_file", problems);
    if (!name)
        return;
    auto fault = fault_in_file_variable(*name);
    if (fault.empty())
        fault = fault_in_requested_variable(*name);
    if (!fault.empty())
        problems.add(node.origin, fmt::format("{}: overflow_file \"{}\" {}", what, *name, fault));
    source.overflow_file = *name;
}

/** What stands beside the source. */
void read_option(
    const Node::Member& member, const std::string& what, SourceUse use, ValueSource& source, Problems& problems)
{
    if (member.key == "default")
        read_fallback(member.value, what, use, source, problems);
    else if (member.key == "decode")
        read_decoding(member.value, what, source, problems);
    else if (member.key == "allow_dash" && use == SourceUse::argument)
        source.allow_dash = read_flag(member.value, what + ": allow_dash", problems);
    else if (member.key == "overflow_file" && use == SourceUse::variable)
        read_overflow_file(member.value, what, source, problems);
    else
        problems.add(member.origin, fmt::format("{}: \"{}\" cannot stand beside {}; {} can", what, member.key,
                                        key_of(source.kind), options_of(use)));
}

} // namespace

std::optional<Kind> source_kind(std::string_view key) noexcept
{
    const auto found = std::ranges::find(kinds, key, [](Kind kind) { return key_of(kind); });
    return found == kinds.end() ? std::nullopt : std::optional{*found};
}

std::optional<ValueSource> read_source_member(const Node::Member& member, const std::string& what, Problems& problems)
{
    const auto kind = source_kind(member.key);
    if (!kind)
        return std::nullopt;
    return read_text({*kind, {}, member.origin}, member.value, what, problems);
}

std::optional<ValueSource> read_source(const Node& node, const std::string& what, SourceUse use, Problems& problems)
{
    if (node.type == Node::Type::string)
        return read_text({Kind::literal, {}, node.origin}, node, what, problems);
    if (node.type != Node::Type::table) {
        problems.add(node.origin, fmt::format("{} must be a string or a table such as {{ payload = \"/ref\" }}, not {}",
                                      what, describe(node.type)));
        return std::nullopt;
    }
    const auto is_source = [use](const Node::Member& member) {
        return source_kind(member.key) || (use != SourceUse::plain && member.key == key_of(Kind::event));
    };
    const auto chosen = std::ranges::find_if(node.members, is_source);
    if (std::ranges::count_if(node.members, is_source) != 1 || (use == SourceUse::plain && node.members.size() != 1)) {
        problems.add(
            node.origin, fmt::format("{} must say one of {{ payload = \"/json/pointer\" }}, {{ header = \"Name\" }}, "
                                     "{{ query = \"name\" }}, {{ request = \"method\" }}{}",
                             what, use == SourceUse::plain ? "" : ", { event = \"id\" }"));
        return std::nullopt;
    }
    const Kind kind = source_kind(chosen->key).value_or(Kind::event);
    auto source = read_text({kind, {}, node.origin}, chosen->value, what, problems);
    if (!source)
        return std::nullopt;
    for (const auto& member : node.members)
        if (&member != &*chosen)
            read_option(member, what, use, *source, problems);
    return source;
}

std::optional<ValueSource> read_source(const Node& node, const std::string& what, Problems& problems)
{
    return read_source(node, what, SourceUse::plain, problems);
}

std::string write_source_member(const ValueSource& source)
{
    return fmt::format("{} = {}", key_of(source.kind), to_toml(std::string_view{source.text}));
}

std::string write_source(const ValueSource& source)
{
    if (source.kind == Kind::literal)
        return to_toml(std::string_view{source.text});
    std::string text = "{ " + write_source_member(source);
    if (source.fallback)
        text += fmt::format(", default = {}", to_toml(std::string_view{*source.fallback}));
    if (source.decoding == ValueSource::Decoding::base64)
        text += ", decode = \"base64\"";
    if (source.allow_dash)
        text += ", allow_dash = true";
    if (!source.overflow_file.empty())
        text += fmt::format(", overflow_file = {}", to_toml(std::string_view{source.overflow_file}));
    return text + " }";
}

} // namespace belay::config
