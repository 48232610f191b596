#include "belayd/config/variables_schema.hpp"

#include "belayd/config/checks.hpp"
#include "belayd/config/value_schema.hpp"

#include <fmt/format.h>

#include <string_view>

namespace belay::config {
namespace {

NamedSources read_named(const Node& node, std::string_view key, SourceUse use, Problems& problems)
{
    NamedSources sources;
    if (node.type != Node::Type::table) {
        problems.add(node.origin, fmt::format("{} must be a table such as {{ {} = {{ payload = \"/ref\" }} }}, not {}",
                                      key, use == SourceUse::file ? "REF_FILE" : "BRANCH", describe(node.type)));
        return sources;
    }
    for (const auto& member : node.members) {
        auto source = read_source(member.value, fmt::format("{}.{}", key, member.key), use, problems);
        const bool requested = source && source->kind != ValueSource::Kind::literal;
        auto fault = use == SourceUse::file ? fault_in_file_variable(member.key) : fault_in_variable_name(member.key);
        if (fault.empty() && requested)
            fault = fault_in_requested_variable(member.key);
        if (!fault.empty())
            problems.add(member.origin, fmt::format("{} \"{}\" {}", key, member.key, fault));
        else if (source)
            sources.emplace(member.key, std::move(*source));
    }
    return sources;
}

} // namespace

NamedSources read_variables(const Node& node, Problems& problems)
{
    return read_named(node, "env", SourceUse::variable, problems);
}

NamedSources read_files(const Node& node, Problems& problems)
{
    return read_named(node, "files", SourceUse::file, problems);
}

std::string write_values(const NamedSources& sources)
{
    std::string text;
    for (const auto& [name, source] : sources)
        text += fmt::format("{}{} = {}", text.empty() ? "{ " : ", ", name, write_source(source));
    return text.empty() ? "{}" : text + " }";
}

void check_variables(const Hook& hook, Problems& problems)
{
    std::map<std::string_view, std::string_view> taken; // by name: the key that sets it
    const auto take = [&](std::string_view name, std::string_view by, const Origin& origin) {
        if (const auto [other, is_new] = taken.emplace(name, by); !is_new)
            problems.add(origin, fmt::format("variable {} is set by {} and by {}: give one of them another name", name,
                                     other->second, by));
    };
    for (const auto& [name, source] : hook.env)
        take(name, "env", source.origin);
    for (const auto& [name, source] : hook.files)
        take(name, "files", source.origin);
    for (const auto& [name, source] : hook.env)
        if (!source.overflow_file.empty())
            take(source.overflow_file, "overflow_file", source.origin);
}

} // namespace belay::config
