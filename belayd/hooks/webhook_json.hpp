#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::hooks {

/**
 * A JSON value as Go's encoding/json has it for adnanh/webhook: a number is its text, of equal names the last counts,
 * and what is no UTF-8 is U+FFFD.  boost::json would refuse some of that, and not tell what a number was written as.
 */
struct GoValue {
    struct Member;
    enum class Kind : std::uint8_t { null, boolean, number, text, array, object } kind = Kind::null;
    bool is_null_map = false; ///< of an object: made of null where an object was wanted
    std::string text = {};    ///< of a boolean, a number and a text
    std::vector<GoValue> elements = {};
    std::vector<Member> members; ///< by name

    [[nodiscard]] const GoValue* find(std::string_view name) const noexcept;
    [[nodiscard]] GoValue* find(std::string_view name) noexcept;
};

struct GoValue::Member {
    std::string name;
    GoValue value;
};

[[nodiscard]] GoValue make_go_text(std::string text);

/** @param members of equal names the last is kept */
[[nodiscard]] GoValue make_go_object(std::vector<GoValue::Member> members);

/**
 * The first value of a text; what comes after it is not looked at.
 * @throws MalformedPayload where it is nested more than 512 deep, which Go would take
 */
[[nodiscard]] std::optional<GoValue> parse_go_json(std::string_view text);

/** As encoding/json writes it: compact, names in order, "<" as \u003c. */
[[nodiscard]] std::string to_go_json(const GoValue& value);

/** What fmt makes of a value alone: a text as it is, "<nil>", anything with parts as JSON. */
[[nodiscard]] std::string to_go_text(const GoValue& value);

/** How a path ended. */
enum class Walk : std::uint8_t {
    found,
    missing, ///< a rule then does not match, mostly
    failed   ///< and the request with it
};

struct Found {
    Walk walk = Walk::missing;
    const GoValue* value = nullptr;
};

/**
 * Follows "a.b.0": in an object the whole rest as a name first, else up to the first dot; in an array an index.
 */
[[nodiscard]] Found find_go_path(std::string_view path, const GoValue& value);

} // namespace belay::hooks
