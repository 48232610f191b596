#include "belayd/config/values.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <stdexcept>

namespace belay::config {
namespace {

/** Adds "KEY must be WHAT, not an integer" unless the node has that type. */
bool has_type(const Node& node, Node::Type type, std::string_view key, std::string_view what, Problems& problems)
{
    if (node.type != type)
        problems.add(node.origin, fmt::format("{} must be {}, not {}", key, what, describe(node.type)));
    return node.type == type;
}

/** Levenshtein's distance. */
std::size_t distance(std::string_view a, std::string_view b)
{
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < b.size(); ++j) {
            const auto substituted = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = std::exchange(row[j + 1], std::min({row[j] + 1, row[j + 1] + 1, substituted}));
        }
    }
    return row.back();
}

} // namespace

std::optional<std::string> read_string(const Node& node, std::string_view key, Problems& problems)
{
    if (!has_type(node, Node::Type::string, key, "a string", problems))
        return std::nullopt;
    if (node.text.find('\0') != std::string::npos) { // "\u0000"
        problems.add(node.origin, fmt::format("{} must not contain a NUL", key));
        return std::nullopt;
    }
    return node.text;
}

std::optional<std::vector<const Node*>> read_strings(const Node& node, std::string_view key, Problems& problems)
{
    std::vector<const Node*> nodes;
    if (node.type == Node::Type::array) {
        for (const auto& element : node.elements)
            nodes.push_back(&element);
    } else if (has_type(node, Node::Type::string, key, "a string or an array of strings", problems)) {
        nodes.push_back(&node);
    } else {
        return std::nullopt;
    }
    bool good = true;
    for (const Node* element : nodes)
        good = read_string(*element, fmt::format("each value of {}", key), problems) && good;
    return good ? std::optional{nodes} : std::nullopt;
}

std::vector<IpNetwork> read_networks(const Node& node, std::string_view key, Problems& problems)
{
    std::vector<IpNetwork> networks;
    for (const Node* element : read_strings(node, key, problems).value_or(std::vector<const Node*>{})) {
        if (const auto network = parse_ip_network(element->text))
            networks.push_back(*network);
        else
            problems.add(
                element->origin, fmt::format("{} \"{}\" {}", key, element->text, fault_in_ip_network(element->text)));
    }
    return networks;
}

std::optional<Milliseconds> read_duration(
    const Node& node, std::string_view key, Milliseconds least, Milliseconds most, Problems& problems)
{
    if (!has_type(node, Node::Type::string, key, "a duration such as \"30s\"", problems))
        return std::nullopt;
    try {
        const auto value = parse_duration(node.text);
        if (value >= least && value <= most)
            return value;
        problems.add(
            node.origin, fmt::format("{} must be from {} to {}", key, format_duration(least), format_duration(most)));
    } catch (const std::invalid_argument& error) {
        problems.add(node.origin, fmt::format("{}: {}", key, error.what()));
    }
    return std::nullopt;
}

std::optional<Bytes> read_size(const Node& node, std::string_view key, Bytes least, Bytes most, Problems& problems)
{
    if (!has_type(node, Node::Type::string, key, "a size such as \"1MiB\"", problems))
        return std::nullopt;
    try {
        const auto value = parse_byte_size(node.text);
        if (value >= least && value <= most)
            return value;
        problems.add(
            node.origin, fmt::format("{} must be from {} to {}", key, format_byte_size(least), format_byte_size(most)));
    } catch (const std::invalid_argument& error) {
        problems.add(node.origin, fmt::format("{}: {}", key, error.what()));
    }
    return std::nullopt;
}

std::optional<std::uint64_t> read_count(
    const Node& node, std::string_view key, std::uint64_t least, std::uint64_t most, Problems& problems)
{
    if (!has_type(node, Node::Type::integer, key, "an integer", problems))
        return std::nullopt;
    const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(node.integer, 0));
    if (node.integer >= 0 && value >= least && value <= most)
        return value;
    problems.add(node.origin, fmt::format("{} must be from {} to {}", key, least, most));
    return std::nullopt;
}

std::optional<std::size_t> read_choice(
    const Node& node, std::string_view key, std::span<const std::string_view> names, Problems& problems)
{
    if (!has_type(node, Node::Type::string, key, "a string", problems))
        return std::nullopt;
    const auto found = std::find(names.begin(), names.end(), node.text);
    if (found != names.end())
        return static_cast<std::size_t>(found - names.begin());
    problems.add(node.origin, fmt::format("{} must be one of \"{}\"", key, fmt::join(names, "\", \"")));
    return std::nullopt;
}

std::string suggest(std::string_view written, std::span<const std::string_view> names)
{
    constexpr std::size_t longest_key = 64; // what is longer is no misspelling, and would take long to compare
    std::string_view best;
    std::size_t nearest = std::numeric_limits<std::size_t>::max();
    for (const auto name : names) {
        const auto far = written.size() <= longest_key ? distance(written, name) : nearest;
        if (far < nearest) {
            nearest = far;
            best = name;
        }
    }
    return nearest <= std::max<std::size_t>(2, best.size() / 3) ? fmt::format(", did you mean \"{}\"?", best) : "";
}

std::string to_toml(std::string_view text)
{
    std::string quoted = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\')
            quoted += {'\\', c};
        else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            quoted += fmt::format("\\u{:04X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
        else
            quoted += c;
    }
    return quoted + "\"";
}

std::string to_toml(const std::vector<IpNetwork>& networks)
{
    std::vector<std::string> texts;
    texts.reserve(networks.size());
    for (const IpNetwork& network : networks)
        texts.push_back(to_string(network));
    return to_toml(texts);
}

std::string to_toml(const std::vector<std::string>& texts)
{
    std::vector<std::string> quoted;
    quoted.reserve(texts.size());
    for (const auto& text : texts)
        quoted.push_back(to_toml(std::string_view{text}));
    return fmt::format("[{}]", fmt::join(quoted, ", "));
}

} // namespace belay::config
