#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::hooks {

/** A word with parameters: the value of Content-Type (RFC 9110 §8.3.1) or of Content-Disposition (RFC 6266 §4.1). */
struct ParameterisedWord {
    std::string word;                                            ///< in lower case
    std::vector<std::pair<std::string, std::string>> parameters; ///< names in lower case, each once; values unquoted

    [[nodiscard]] const std::string* find(std::string_view name) const noexcept;
};

/** Nothing where it is malformed, or has a parameter twice. */
[[nodiscard]] std::optional<ParameterisedWord> parse_parameterised_word(std::string_view text);

} // namespace belay::hooks
