#pragma once
#include "belayd/config/config.hpp"
#include "belayd/hooks/event_identity.hpp"
#include "belayd/hooks/verifier.hpp"
#include "http/request.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::hooks {

/** A request as hooks see it, HTTP or a file given to `belay`. */
struct Input {
    const http::Request& request;
    std::chrono::sys_seconds now;               ///< when it came, for what is signed with a time
    std::string_view client_address = {};       ///< of who sent it, see http::client_address()
    std::optional<EventIdentity> identity = {}; ///< of an event that has one already; else it gets one
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

    /** Reads the raw bytes, in constant time over the secrets; parses nothing that is not authentic. */
    [[nodiscard]] Verdict verify(const Input& input) const;

    /** How the sender signs; nullptr where anybody may send. */
    [[nodiscard]] const config::Scheme* scheme() const noexcept;

    /** What a 401 asks for (RFC 9110 §11.6.1): the header that would have the signature, or "Bearer". */
    [[nodiscard]] std::string challenge() const;

private:
    [[nodiscard]] bool is_allowed(std::string_view client) const;

    std::vector<IpNetwork> addresses_;
    std::unique_ptr<const Verifier> verifier_; // none: anybody
};

} // namespace belay::hooks
