#pragma once
#include "belayd/config/scheme.hpp"

#include <openssl/evp.h>

#include <memory>
#include <string>
#include <string_view>

namespace belay::fuzz {

/** A sender with a random key of one form: what belayd verifies, made with OpenSSL's own functions.  Movable. */
class Signer {
public:
    explicit Signer(config::SignatureForm form);

    [[nodiscard]] const config::SignatureForm& form() const noexcept { return form_; }

    /** As an operator is given it. */
    [[nodiscard]] const std::string& secret() const noexcept { return secret_; }

    /** Whether it signs, not just shows its secret. */
    [[nodiscard]] bool signs() const noexcept;

    /** Without the label. */
    [[nodiscard]] std::string sign(std::string_view message) const;

private:
    struct FreeKey {
        void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
    };

    config::SignatureForm form_;
    std::string key_;                             // of an HMAC
    std::unique_ptr<EVP_PKEY, FreeKey> key_pair_; // of Ed25519
    std::string secret_;
};

} // namespace belay::fuzz
