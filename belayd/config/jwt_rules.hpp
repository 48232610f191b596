#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace belay::config {

/** What a JSON Web Token (RFC 7519) must be, and say, beside being soundly signed. */
struct JwtRules {
    enum class Algorithm : std::uint8_t { hs256, rs256, es256, eddsa }; ///< RFC 7518 §3.1, RFC 8037 §3.1
    using Value = std::variant<std::string, std::int64_t, bool>;

    std::vector<Algorithm> algorithms; ///< of the keys that count; none: any key's own
    std::string issuer;
    std::vector<std::string> audience;                ///< any of them; at least one
    std::chrono::seconds leeway{60};                  ///< of the clocks
    std::map<std::string, std::vector<Value>> claims; ///< any of the values, by the claim's name

    bool operator==(const JwtRules&) const = default;
};

} // namespace belay::config
