#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace belay::config {

inline constexpr std::size_t max_file_bytes = 1 << 20;
inline constexpr unsigned max_nesting = 64;

/** Why a text must not reach the parser, and where. */
struct Excess {
    unsigned line = 1;
    unsigned column = 1;
    std::string message;
};

/**
 * Whether a TOML text is small, flat and clean enough for a recursive parser: at most 1 MiB, brackets, braces and the
 * dots of keys nested at most 64 deep, valid UTF-8 without NUL.  toml11 3.7.1 overflows an 8 MiB stack at some 5,000
 * levels.
 */
[[nodiscard]] std::optional<Excess> find_excess(std::string_view text);

} // namespace belay::config
