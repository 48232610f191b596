#pragma once
#include "belayd/config/config.hpp"
#include "belayd/config/values.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace belay::config {

/** One key of a table: how it gets into its owner, a Config or a Hook, and how it is written back. */
template <typename Owner>
struct Setting {
    std::string_view name;
    std::function<void(const Node& node, Owner& owner, Problems& problems)> read;
    std::function<std::string(const Owner& owner)> write; ///< TOML text of the value
    /** Whether the value can be written; where not, write() is a comment that explains the default.  Empty: always. */
    std::function<bool(const Owner& owner)> is_set;
};

/** A table of the configuration: [daemon], [log], … */
struct Section {
    std::string_view name;
    std::vector<Setting<Config>> settings;
};

/** Every section but the hooks, in the order in which they are documented. */
[[nodiscard]] const std::vector<Section>& sections();

/** The keys of [hooks.NAME]. */
[[nodiscard]] const std::vector<Setting<Hook>>& hook_settings();

/** Access to a member, for the makers below. */
template <typename Owner, typename T>
auto member(T Owner::* pointer)
{
    return [pointer](auto& owner) -> auto& { return owner.*pointer; };
}

template <typename Owner, typename Access>
Setting<Owner> duration_setting(std::string_view name, Access access, Milliseconds least, Milliseconds most)
{
    return {name,
        [=](const Node& node, Owner& owner, Problems& problems) {
            if (const auto value = read_duration(node, name, least, most, problems))
                access(owner) = *value;
        },
        [=](const Owner& owner) { return to_toml(format_duration(access(owner))); }, {}};
}

template <typename Owner, typename Access>
Setting<Owner> size_setting(std::string_view name, Access access, Bytes least, Bytes most)
{
    return {name,
        [=](const Node& node, Owner& owner, Problems& problems) {
            if (const auto value = read_size(node, name, least, most, problems))
                access(owner) = *value;
        },
        [=](const Owner& owner) { return to_toml(format_byte_size(access(owner))); }, {}};
}

template <typename Owner, typename Access>
Setting<Owner> count_setting(std::string_view name, Access access, unsigned least, unsigned most)
{
    return {name,
        [=](const Node& node, Owner& owner, Problems& problems) {
            if (const auto value = read_count(node, name, least, most, problems))
                access(owner) = static_cast<unsigned>(*value);
        },
        [=](const Owner& owner) { return std::to_string(access(owner)); }, {}};
}

/** @param names of the enumerators, in their order, from 0 */
template <typename Owner, typename Access>
Setting<Owner> choice_setting(std::string_view name, Access access, std::vector<std::string_view> names)
{
    return {name,
        [=](const Node& node, Owner& owner, Problems& problems) {
            if (const auto value = read_choice(node, name, names, problems))
                access(owner) = static_cast<std::remove_reference_t<decltype(access(owner))>>(*value);
        },
        [=](const Owner& owner) { return to_toml(names.at(static_cast<std::size_t>(access(owner)))); }, {}};
}

/** @param fault_in says what is wrong with a text, "" for nothing */
template <typename Owner, typename Access>
Setting<Owner> text_setting(
    std::string_view name, Access access, std::function<std::string(const std::string&)> fault_in)
{
    return {name,
        [=](const Node& node, Owner& owner, Problems& problems) {
            const auto value = read_string(node, name, problems);
            if (!value)
                return;
            if (const auto fault = fault_in(*value); !fault.empty())
                problems.add(node.origin, std::string{name} + " \"" + *value + "\" " + fault);
            else
                access(owner) = *value;
        },
        [=](const Owner& owner) { return to_toml(std::string_view{access(owner)}); }, {}};
}

/**
 * Reads the members of `table` and notes their origins; a key that no setting has is a problem.
 * @param path "runner", "hooks.deploy": what messages and origins begin with
 */
template <typename Owner>
void read_settings(const Node& table, const std::string& path, std::span<const Setting<Owner>> settings, Owner& owner,
    std::map<std::string, Origin>& origins, Problems& problems)
{
    std::vector<std::string_view> names;
    for (const auto& setting : settings) {
        names.push_back(setting.name);
        if (const auto* written = table.find(setting.name)) {
            origins[path + "." + written->key] = written->origin;
            setting.read(written->value, owner, problems);
        }
    }
    for (const auto& written : table.members)
        if (std::find(names.begin(), names.end(), written.key) == names.end()) {
            problems.add(
                written.origin, "unknown key \"" + written.key + "\" in [" + path + "]" + suggest(written.key, names));
        }
}

} // namespace belay::config
