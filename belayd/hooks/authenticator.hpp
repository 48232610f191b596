#pragma once
#include "base/timestamp.hpp"
#include "belayd/config/config.hpp"
#include "belayd/hooks/event_identity.hpp"
#include "belayd/hooks/passwords.hpp"
#include "belayd/hooks/token_verifier.hpp"
#include "belayd/hooks/verifier.hpp"
#include "http/request.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace belay::hooks {

/** A request as hooks see it, HTTP or a file given to `belay`. */
struct Input {
    const http::Request& request;
    Timestamp now;                              ///< when it came, for what is signed with a time
    std::string_view client_address = {};       ///< of who sent it, see http::client_address()
    std::optional<EventIdentity> identity = {}; ///< of an event that has one already; else it gets one
    /** The password file by which its credentials were found right, where Authenticator::credentials() has any. */
    std::optional<std::size_t> password_file = {};
    /** Of a request that belayd has stored: headers that it did not keep, whether they were there or not. */
    std::span<const std::string> withheld = {};

    [[nodiscard]] bool withholds(std::string_view field_name) const noexcept;
};

/**
 * Tells whether a request may be what it claims: `auth` of a hook, with its secrets loaded.
 *
 * Where it comes from is asked first, which costs nothing, then what it proves.  Immutable, thread-safe.
 */
class Authenticator {
public:
    /** @throws config::ConfigError with every fault of its secrets: one that cannot be had, or is none of its sender's
     */
    Authenticator(const config::Auth& auth, const std::string& config_directory);
    ~Authenticator();
    Authenticator(const Authenticator&) = delete;
    Authenticator& operator=(const Authenticator&) = delete;
    Authenticator(Authenticator&&) = delete;
    Authenticator& operator=(Authenticator&&) = delete;

    /** What has to be looked up among passwords(), which takes long, before verify() can tell; nothing: nothing. */
    [[nodiscard]] std::optional<Credentials> credentials(const Input& input) const;

    /** nullptr unless the scheme is "basic". */
    [[nodiscard]] const Passwords* passwords() const noexcept { return std::get_if<Passwords>(&proof_); }

    /** Reads the raw bytes, in constant time over the secrets; of what is not authentic nothing is parsed but a token's
     *  header. */
    [[nodiscard]] Verdict verify(const Input& input) const;

    /** What its sets of keys have that is of no use here, a phrase each. */
    [[nodiscard]] const std::vector<std::string>& skipped_keys() const noexcept { return skipped_keys_; }

    /** How the sender signs; nullptr where anybody may send. */
    [[nodiscard]] const config::Scheme* scheme() const noexcept { return scheme_ ? &*scheme_ : nullptr; }

    /** What a 401 asks for (RFC 9110 §11.6.1): the header that would have the signature, "Bearer", "Basic" with its
     * realm. */
    [[nodiscard]] std::string challenge() const;

private:
    [[nodiscard]] bool is_allowed(std::string_view client) const;

    using Proof = std::variant<std::monostate, Verifier, TokenVerifier, Passwords>;

    [[nodiscard]] Proof make_proof(const config::Auth& auth, const std::string& config_directory);

    std::vector<IpNetwork> addresses_;
    std::optional<config::Scheme> scheme_;
    std::vector<std::string> skipped_keys_;
    Proof proof_; // none: anybody
};

/**
 * What is wrong with a secret as one of `auth`, "" for nothing.
 * @param skipped gets what a set of keys has that is not of use, if given
 * @throws std::system_error where the system lets nobody look
 */
[[nodiscard]] std::string fault_in_secret(const config::Auth& auth, const config::SecretSource& source,
    const std::string& config_directory, std::vector<std::string>* skipped = nullptr);

} // namespace belay::hooks
