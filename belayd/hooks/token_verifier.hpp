#pragma once
#include "belayd/config/config.hpp"
#include "belayd/hooks/jwt_key.hpp"
#include "belayd/hooks/verdict.hpp"
#include "http/request.hpp"

#include <boost/json/object.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::hooks {

/**
 * Tells whether a request has a JSON Web Token (RFC 7519, RFC 8725) of the issuer, for this audience, in time, with the
 * claims that its hook wants, as `Authorization: Bearer`.
 *
 * The key decides on the algorithm.  What a token says is read once it is known to be soundly signed; its "typ" is not
 * looked at.  Immutable, thread-safe.
 */
class TokenVerifier {
public:
    struct Key {
        JwtKey key;
        std::size_t secret; ///< its place in the configuration
        std::optional<std::chrono::sys_seconds> not_after;
    };

    TokenVerifier(config::JwtRules rules, std::vector<Key> keys);

    [[nodiscard]] Verdict verify(const http::Request& request, std::chrono::sys_seconds now) const;

private:
    struct Signed;

    [[nodiscard]] std::optional<std::size_t> find_key(const Signed& token, std::chrono::sys_seconds now) const;
    [[nodiscard]] std::string fault_in_claims(const boost::json::object& claims, std::chrono::sys_seconds now) const;

    config::JwtRules rules_;
    std::vector<Key> keys_;
};

/**
 * The keys of one of the sources of auth with scheme "jwt".
 * @param skipped gets what a set has that is not of use
 * @throws std::runtime_error naming the source and why
 */
[[nodiscard]] std::vector<JwtKey> load_jwt_keys(const config::JwtRules& rules, const config::SecretSource& source,
    const std::string& config_directory, std::vector<std::string>* skipped = nullptr);

} // namespace belay::hooks
