#pragma once
#include "belayd/config/config.hpp"
#include "belayd/hooks/authenticator.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

namespace belay::hooks {

/** Whether the secrets of rules have to be there. */
enum class Secrets : std::uint8_t {
    required, ///< by belayd
    optional  ///< for `belay`, whose user may not be allowed to read them
};

/** A decision hangs on a signature that cannot be checked here: never in belayd. */
class UnknownSignature : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/** What a request is to a rule's `signature`. */
struct SignatureFinding {
    enum class State : std::uint8_t { good, bad, unknown } state = State::unknown;
    std::optional<std::size_t> key = {}; ///< of its secrets, that which fits, also where it or the time signed is over
    std::string why_not = {};            ///< for the operator: a sentence without a stop
};

/**
 * The leaf of a rule that is about a signature, its secrets loaded: what `auth` is for all requests, for this branch.
 *
 * Immutable, thread-safe.  Lifetime: borrows the rule.
 */
class RuleSignature {
public:
    /** @throws config::ConfigError if the secrets are required, and one cannot be had or is none of its sender's */
    RuleSignature(const config::Rule& rule, const std::string& config_directory, Secrets secrets);

    /** Reads the raw bytes, in constant time over the secrets.  Parses nothing. */
    [[nodiscard]] SignatureFinding check(const Input& input) const;

private:
    const config::Auth& auth_;
    std::unique_ptr<const Authenticator> authenticator_; // none: its secrets cannot be had
    std::string fault_;                                  // why
};

} // namespace belay::hooks
