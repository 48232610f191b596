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

/** What becomes of the secrets of rules. */
enum class Secrets : std::uint8_t {
    required, ///< by belayd
    optional, ///< for `belay`, whose user may not be allowed to read them
    unused    ///< for `belay`, which takes every signature for good
};

/** A decision hangs on what cannot be told here, a signature or a header that belayd did not keep: never in belayd. */
class UnknownSignature : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/** What a request is to a rule's `signature`. */
struct SignatureFinding {
    enum class State : std::uint8_t { good, bad, unknown } state = State::unknown;
    std::optional<std::size_t> key = {}; ///< of its secrets, that which fits, also where it or the time signed is over
    std::string why_not = {};            ///< for the operator: a sentence without a stop
    bool is_assumed = false;             ///< good, unchecked; as if by the first secret: all are of one sender
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

    /** What is told of a signature that is taken for good, and where that cannot be. */
    static constexpr const char* assumed = "taken for good, unchecked";
    static constexpr const char* not_assumed = "below \"not\" none is taken for good";

    /**
     * Reads the raw bytes, in constant time over the secrets.  Parses nothing.
     * @param is_negated it is below a `not`: there what is assumed would be no favour
     */
    [[nodiscard]] SignatureFinding check(const Input& input, bool is_negated = false) const;

private:
    const config::Auth& auth_;
    bool is_assumed_;
    std::unique_ptr<const Authenticator> authenticator_; // none: its secrets cannot be had, or are not used
    std::string fault_;                                  // why
};

} // namespace belay::hooks
