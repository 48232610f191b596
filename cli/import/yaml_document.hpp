#pragma once
#include "cli/import/yaml_scalar.hpp"

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace belay::webhook {

/** Of a hooks file: thousands of hooks. */
inline constexpr std::size_t max_file_bytes = std::size_t{1} << 20;

/** A hooks file that adnanh/webhook would not load either, or that is made to exhaust who reads it. */
class FileError : public std::runtime_error {
public:
    FileError(unsigned line, const std::string& what) : std::runtime_error(what), line_(line) {}
    [[nodiscard]] unsigned line() const noexcept { return line_; } ///< 1-based; 0: the whole file

private:
    unsigned line_;
};

/** @throws FileError where it is over max_file_bytes */
void check_size(std::string_view text);

/** One value of a YAML document, aliases and merges resolved. */
struct Node {
    struct Member;

    enum class Type : std::uint8_t { scalar, sequence, map } type = Type::scalar;
    unsigned line = 0; ///< 1-based
    Scalar scalar;
    std::vector<Node> elements;  ///< of a sequence
    std::vector<Member> members; ///< of a map, by name; of several equal keys the last
};

struct Node::Member {
    std::string name;
    Node value;
};

/**
 * Reads the first document of a text as adnanh/webhook does: YAML 1.1, of which JSON is a part with some exceptions
 * ("\/" and surrogate pairs are no escapes of it), and then as JSON: keys are texts.
 *
 * Over 1 MiB, nested more than 64 deep, or grown to more than 200,000 values by its aliases it is refused, before any
 * of that costs much.
 * @throws FileError
 */
[[nodiscard]] Node parse_yaml(const std::string& text);

} // namespace belay::webhook
