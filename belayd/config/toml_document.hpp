#pragma once
#include "belayd/config/config.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::config {

/** One value of a TOML document and where it was written. */
struct Node {
    enum class Type : std::uint8_t { table, array, string, integer, real, boolean, time };
    struct Member;

    Type type = Type::table;
    Origin origin;
    std::string text;         ///< of a string
    std::int64_t integer = 0; ///< of an integer; toml11 3.7 reads one that does not fit as the largest
    double real = 0;          ///< of a real, which may be inf or nan
    bool boolean = false;     ///< of a boolean
    std::optional<std::chrono::sys_seconds> time; ///< of a time that has an offset; its fraction is cut off
    std::vector<Member> members;                  ///< of a table, in the order they were written
    std::vector<Node> elements;                   ///< of an array

    [[nodiscard]] const Member* find(std::string_view key) const noexcept;
};

struct Node::Member {
    std::string key;
    Origin origin; ///< of the key
    Node value;
};

/** A parsed file. */
struct Document {
    std::string file;
    std::vector<std::string> lines; ///< for diagnostics; [0] is line 1
    Node root;
};

/** "a table", "an integer", … */
[[nodiscard]] std::string_view describe(Node::Type type) noexcept;

/** @throws ConfigError with the first syntax error; see find_excess() for what is refused before parsing */
[[nodiscard]] Document parse_document(const std::string& text, const std::string& file);

} // namespace belay::config
