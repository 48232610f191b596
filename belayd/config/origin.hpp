#pragma once
#include <compare>
#include <string>

namespace belay::config {

/** Where a value was written; line 0: it is a default. */
struct Origin {
    std::string file;
    unsigned line = 0;   ///< 1-based
    unsigned column = 0; ///< 1-based, in bytes

    [[nodiscard]] bool is_default() const noexcept { return line == 0; }
    auto operator<=>(const Origin&) const = default;
};

} // namespace belay::config
