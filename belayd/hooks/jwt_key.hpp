#pragma once
#include "belayd/config/jwt_rules.hpp"
#include "belayd/hooks/mac.hpp"
#include "belayd/hooks/sender_key.hpp"

#include <boost/json/object.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace belay::hooks {

/**
 * A key that tokens are signed with, for one algorithm: that of what it is, never of what a token says.
 *
 * Immutable, thread-safe.  Movable.
 */
class JwtKey {
public:
    using Algorithm = config::JwtRules::Algorithm;

    // Each @throws std::invalid_argument why it is none: a phrase that follows what names the key

    /** HS256, at least 32 bytes (RFC 7518 §3.2). */
    [[nodiscard]] static JwtKey from_secret(std::string_view secret);

    /** A public key: RSA of 2048 bits at least, P-256, Ed25519. */
    [[nodiscard]] static JwtKey from_pem(std::string_view pem);

    /** The same as RFC 7517 and RFC 8037 write it. */
    [[nodiscard]] static JwtKey from_jwk(const boost::json::object& jwk);

    [[nodiscard]] Algorithm algorithm() const noexcept { return algorithm_; }

    /** A token that names a key names this one; "": any. */
    [[nodiscard]] const std::string& id() const noexcept { return id_; }

    [[nodiscard]] bool accepts(std::string_view message, std::string_view signature) const;

private:
    using PublicKey = std::unique_ptr<evp_pkey_st, FreePublicKey>;

    explicit JwtKey(Mac mac) : algorithm_(Algorithm::hs256), key_(std::move(mac)) {}
    explicit JwtKey(PublicKey key);

    [[nodiscard]] bool accepts(const PublicKey& key, std::string_view message, std::string_view signature) const;

    Algorithm algorithm_;
    std::string id_;
    std::variant<Mac, PublicKey> key_;
};

/** RFC 7518 §3.1: "RS256". */
[[nodiscard]] std::string_view to_string(JwtKey::Algorithm algorithm) noexcept;

/** Also "Ed25519", as RFC 9864 names it. */
[[nodiscard]] bool is_name_of(JwtKey::Algorithm algorithm, std::string_view name) noexcept;

/**
 * The keys of a JWK set (RFC 7517 §5).
 * @param skipped gets what is not of use here and why, if given
 * @throws std::invalid_argument where none is of use: a phrase
 */
[[nodiscard]] std::vector<JwtKey> parse_key_set(std::string_view text, std::vector<std::string>* skipped = nullptr);

} // namespace belay::hooks
