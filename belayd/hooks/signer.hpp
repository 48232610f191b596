#pragma once
#include "belayd/config/scheme.hpp"
#include "belayd/hooks/mac.hpp"
#include "belayd/hooks/signed_message.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

struct evp_pkey_st; // OpenSSL's EVP_PKEY

namespace belay::hooks {

struct FreePrivateKey {
    void operator()(evp_pkey_st* key) const noexcept;
};

struct WipeText {
    void operator()(std::string* text) const noexcept;
};

/**
 * A sender with one secret, which signs what a Verifier of the same scheme accepts.
 *
 * Where the scheme verifies with a public key, the secret is the private one: its 32 bytes, or those and the public
 * ones, as libsodium has them.  Immutable.  Movable.
 */
class Signer {
public:
    using Fields = std::vector<std::pair<std::string, std::string>>;

    /** @throws std::invalid_argument why nobody can sign with it: a phrase that follows what names the secret */
    Signer(const config::Scheme& scheme, std::string_view secret);

    [[nodiscard]] const config::SignatureForm& form() const noexcept { return form_; }

    /** A text of form(), without its label.  @param parts those of which the scheme has none are not looked at */
    [[nodiscard]] std::string sign(const SignedParts& parts) const;

    /** What the scheme puts in the header of a request with that signature: it, the time and the id. */
    [[nodiscard]] Fields make_fields(const SignedParts& parts, std::string_view signature) const;
    [[nodiscard]] Fields make_fields(const SignedParts& parts) const;

private:
    using PrivateKey = std::unique_ptr<evp_pkey_st, FreePrivateKey>;

    config::Scheme scheme_;
    std::vector<config::MessagePart> message_;
    config::SignatureForm form_;
    using SentText = std::unique_ptr<std::string, WipeText>; // where it is moved, no copy stays behind
    std::variant<Mac, PrivateKey, SentText> key_;
};

} // namespace belay::hooks
