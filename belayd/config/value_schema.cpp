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

constexpr auto kinds = std::to_array<Kind>({Kind::payload, Kind::header, Kind::query, Kind::request, Kind::dotted_path});

std::string fault_in_request_part(const std::string& name)
{
    const auto parts = request_parts();
    if (std::ranges::find(parts, name) != parts.end())
        return {};
    return fmt::format("is no part of a request: write one of \"{}\"", fmt::join(parts, "\", \""));
}

std::string fault_in_source(const ValueSource& source)
{
    switch (source.kind) {
    case Kind::literal:
        return source.text.size() < max_argument_bytes
                   ? ""
                   : fmt::format("is over {} bytes, more than Linux passes to a program", max_argument_bytes - 1);
    case Kind::payload:
        return fault_in_json_pointer(source.text);
    case Kind::header:
        return fault_in_header_name(source.text);
    case Kind::request:
        return fault_in_request_part(source.text);
    case Kind::query:
    case Kind::event:
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

std::optional<ValueSource> read_source(const Node& node, const std::string& what, Problems& problems)
{
    if (node.type == Node::Type::string)
        return read_text({Kind::literal, {}, node.origin}, node, what, problems);
    if (node.type != Node::Type::table) {
        problems.add(node.origin, fmt::format("{} must be a string or a table such as {{ payload = \"/ref\" }}, not {}",
                                      what, describe(node.type)));
        return std::nullopt;
    }
    if (node.members.size() != 1 || !source_kind(node.members.front().key)) {
        problems.add(node.origin, fmt::format("{} must say one of {{ payload = \"/json/pointer\" }}, {{ header = "
                                              "\"Name\" }}, {{ query = \"name\" }}, {{ request = \"method\" }}",
                                      what));
        return std::nullopt;
    }
    auto source = read_source_member(node.members.front(), what, problems);
    if (source)
        source->origin = node.origin;
    return source;
}

std::string write_source_member(const ValueSource& source)
{
    return fmt::format("{} = {}", key_of(source.kind), to_toml(std::string_view{source.text}));
}

std::string write_source(const ValueSource& source)
{
    if (source.kind == Kind::literal)
        return to_toml(std::string_view{source.text});
    return fmt::format("{{ {} }}", write_source_member(source));
}

} // namespace belay::config
