#pragma once
#include "belayd/config/problems.hpp"
#include "belayd/config/toml_document.hpp"
#include "belayd/config/value_source.hpp"

#include <cstdint>
#include <optional>
#include <string>

/** TOML → ValueSource and back. */
namespace belay::config {

/** What a value becomes, and with that what may stand beside its source: default, decode, and … */
enum class SourceUse : std::uint8_t {
    plain,    ///< not even these
    argument, ///< allow_dash
    variable, ///< overflow_file
    file
};

/**
 * "literal", or a table with one of payload, header, query, request, event.
 * @param what what messages call it: "an argument of run"
 */
[[nodiscard]] std::optional<ValueSource> read_source(
    const Node& node, const std::string& what, SourceUse use, Problems& problems);
[[nodiscard]] std::optional<ValueSource> read_source(const Node& node, const std::string& what, Problems& problems);

/** The kind that a table's key stands for; nothing for any other key. */
[[nodiscard]] std::optional<ValueSource::Kind> source_kind(std::string_view key) noexcept;

/** One `payload = "/ref"` of a table: a rule has more keys beside it. */
[[nodiscard]] std::optional<ValueSource> read_source_member(
    const Node::Member& member, const std::string& what, Problems& problems);

/** TOML text of the value. */
[[nodiscard]] std::string write_source(const ValueSource& source);

/** The key and the value, without braces.  Not of a literal. */
[[nodiscard]] std::string write_source_member(const ValueSource& source);

} // namespace belay::config
