#pragma once
#include "belayd/config/problems.hpp"
#include "belayd/config/toml_document.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/**
 * TOML values → typed ones and back.
 *
 * Each reader either returns the value or adds to the problems what is wrong with it, and returns nothing.
 */
namespace belay::config {

/** @param key what the message calls the value: "drain_timeout", "an argument of run" */
[[nodiscard]] std::optional<std::string> read_string(const Node& node, std::string_view key, Problems& problems);

/** One string or an array of them. */
[[nodiscard]] std::optional<std::vector<const Node*>> read_strings(
    const Node& node, std::string_view key, Problems& problems);

/** One network or an array of them, "192.0.2.0/24" or an address; those that are sound. */
[[nodiscard]] std::vector<IpNetwork> read_networks(const Node& node, std::string_view key, Problems& problems);

[[nodiscard]] std::optional<Milliseconds> read_duration(
    const Node& node, std::string_view key, Milliseconds least, Milliseconds most, Problems& problems);

[[nodiscard]] std::optional<Bytes> read_size(
    const Node& node, std::string_view key, Bytes least, Bytes most, Problems& problems);

[[nodiscard]] std::optional<std::uint64_t> read_count(
    const Node& node, std::string_view key, std::uint64_t least, std::uint64_t most, Problems& problems);

/** The index in `names` of a string. */
[[nodiscard]] std::optional<std::size_t> read_choice(
    const Node& node, std::string_view key, std::span<const std::string_view> names, Problems& problems);

/** ", did you mean \"…\"?" for the nearest of `names`, "" where none is near. */
[[nodiscard]] std::string suggest(std::string_view written, std::span<const std::string_view> names);

/** A TOML basic string with its quotes. */
[[nodiscard]] std::string to_toml(std::string_view text);

/** A TOML array of the networks. */
[[nodiscard]] std::string to_toml(const std::vector<IpNetwork>& networks);

/** A TOML array of strings. */
[[nodiscard]] std::string to_toml(const std::vector<std::string>& texts);

} // namespace belay::config
