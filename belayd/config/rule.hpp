#pragma once
#include "belayd/config/value_source.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace belay::config {

struct Auth;

/** What a request must be, for its hook to run: a tree, whose leaves look at one value each. */
struct Rule {
    enum class Kind : std::uint8_t {
        all,       ///< every one of `rules` matches
        any,       ///< one of `rules` matches
        negation,  ///< its one rule does not match
        signature, ///< the request is signed as `auth` says
        test
    };
    enum class Test : std::uint8_t {
        equals,
        in,    ///< equals one of the operands; of request "remote_address": the networks that it may be in
        regex, ///< RE2, found anywhere in the text
        glob,  ///< the whole text; * stands for any characters, ? for one
        prefix,
        exists, ///< whether there is a value, even null
        less_than,
        at_most,
        more_than,
        at_least
    };
    /** A text compares with a value's text, a number with what is a number or reads as one, a boolean likewise. */
    using Operand = std::variant<std::string, std::int64_t, double, bool>;

    Kind kind = Kind::test;
    std::vector<Rule> rules;
    std::shared_ptr<const Auth> auth = {}; ///< of a signature
    ValueSource source = {};               ///< of a test; of a signature with compat, where that has no header
    Test test = Test::equals;
    std::vector<Operand> operands = {}; ///< one; of `in`: at least one
    Origin origin = {};
};

inline constexpr unsigned max_rule_depth = 16; ///< levels of all, any and not with the test below them
inline constexpr unsigned max_rules = 256;     ///< of a hook: each is paid for by every request

/** "equals", as the configuration has it. */
[[nodiscard]] std::string_view key_of(Rule::Test test) noexcept;

/** Whether the operands of `in` are networks. */
[[nodiscard]] bool takes_networks(const Rule& rule) noexcept;

/** TOML text of an operand. */
[[nodiscard]] std::string write_operand(const Rule::Operand& operand);

/** payload "/ref" is "refs/heads/main": what matches, in the operator's words, cut where it gets long. */
[[nodiscard]] std::string describe(const Rule& rule);

/** payload "/ref" is not "refs/heads/main": what it means that a value, which there is, does not match. */
[[nodiscard]] std::string describe_mismatch(const Rule& rule);

} // namespace belay::config
