#pragma once
#include "belayd/config/config.hpp"
#include "belayd/hooks/mac.hpp"

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>

struct evp_pkey_st; // OpenSSL's EVP_PKEY

namespace belay::hooks {

struct FreePublicKey {
    void operator()(evp_pkey_st* key) const noexcept;
};

/**
 * One configured secret, ready to check signatures of the form that it is for.
 *
 * Immutable, thread-safe.  Movable.
 */
class SenderKey {
public:
    /** @throws std::invalid_argument why it is no secret of this scheme: a phrase that follows what names the secret */
    SenderKey(const config::Scheme& scheme, std::string_view secret);

    [[nodiscard]] const config::SignatureForm& form() const noexcept { return form_; }

    /**
     * Whether any of `signatures`, texts of form(), is right for the message.
     *
     * Takes the same time whichever is, or none, as long as there are as many.
     */
    [[nodiscard]] bool accepts(
        std::span<const std::string_view> message, std::span<const std::string_view> signatures) const;

private:
    using PublicKey = std::unique_ptr<evp_pkey_st, FreePublicKey>;

    [[nodiscard]] std::size_t count_right(
        const Mac& mac, std::span<const std::string_view> message, std::span<const std::string_view> signatures) const;
    [[nodiscard]] std::size_t count_right(const PublicKey& key, std::span<const std::string_view> message,
        std::span<const std::string_view> signatures) const;

    config::SignatureForm form_;
    std::variant<Mac, PublicKey> key_;
    Digest itself_; // of a secret that is itself sent: so that texts of any length compare in the same time
};

/**
 * Reads a secret, see load_secret(), and makes it ready.
 * @throws std::runtime_error naming the source and why
 */
[[nodiscard]] SenderKey load_key(
    const config::Scheme& scheme, const config::SecretSource& source, const std::string& config_directory);

} // namespace belay::hooks
