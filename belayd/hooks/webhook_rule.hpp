#pragma once
#include "base/ip_network.hpp"
#include "belayd/config/config.hpp"
#include "belayd/hooks/mac.hpp"
#include "belayd/hooks/rule.hpp"
#include "belayd/hooks/webhook_request.hpp"

#include <re2/re2.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace belay::hooks {

/** What signatures among the rules are: `belay` may have neither the secret nor the signature. */
enum class Signatures : std::uint8_t {
    checked,
    assumed ///< good, whatever the request has; unknown below a `not`, where that would be no favour
};

/**
 * A rule as adnanh/webhook 2.8 goes by it: beside what it comes to, it may fail, and how the one and the other are
 * passed on by and, or and not decides whether a command is run.
 *
 * Immutable, thread-safe.  Lifetime: borrows the rule.
 */
class WebhookRule {
public:
    enum class Error : std::uint8_t {
        none,
        missing,   ///< there is no such value
        signature, ///< it is not the right one
        other,
        unknown ///< what cannot be told here, see UnknownSignature: no error of webhook's
    };
    struct Outcome {
        bool value = false;
        Error error = Error::none;
    };

    /**
     * @param soft_signatures within an "or", a wrong signature is one that does not match
     * @throws config::ConfigError naming the secret that cannot be had
     */
    WebhookRule(const config::Rule& rule, const std::string& config_directory, bool soft_signatures,
        Signatures signatures = Signatures::checked);

    /** @throws MalformedPayload */
    [[nodiscard]] Outcome evaluate(const WebhookRequest& request, const Input& input) const;

    /** The same for the operator, with every value that was seen: what has no value, but decides as if it did not
     * match, is `missing`; what makes webhook fail, or belay, is an error.  As long as the rule. */
    [[nodiscard]] Trace trace(const WebhookRequest& request, const Input& input) const;

    /** Of a request that is refused before. */
    [[nodiscard]] Trace unseen_trace() const;

private:
    struct Secret {
        Mac mac;
        config::ValueSource source; ///< of the signature
        std::string label;          ///< that may stand before a signature
        bool is_scalr = false;
    };
    struct Node {
        const config::Rule* rule = nullptr;
        std::vector<Node> children = {};
        std::shared_ptr<const re2::RE2> pattern = {};
        std::vector<IpNetwork> networks = {};
        std::optional<Secret> secret = {}; // of a signature; none: it is assumed
        bool is_negated = false;           // it is below a `not`
    };
    /** What rules look at. */
    struct Scene {
        const WebhookRequest& request;
        const Input& input;
    };
    /** Which errors are but a value to what a rule is part of. */
    struct Tolerance {
        bool missing = false;
        bool signature = false;
    };

    [[nodiscard]] static Node compile(
        const config::Rule& rule, const std::string& config_directory, Signatures signatures, bool is_negated);
    [[nodiscard]] static Secret load(const config::Rule& rule, const std::string& config_directory);
    [[nodiscard]] static Outcome check_signature(const Node& node, const Scene& scene, Trace* trace);
    static void record(Trace& trace, Outcome outcome, Tolerance tolerance);
    /** @param trace of that rule, to be filled in; or nullptr */
    [[nodiscard]] Outcome evaluate(const Node& node, const Scene& scene, Tolerance tolerance, Trace* trace) const;
    [[nodiscard]] Outcome decide(const Node& node, const Scene& scene, Tolerance tolerance, Trace* trace) const;
    [[nodiscard]] Outcome decide_all(const Node& node, const Scene& scene, Tolerance tolerance, Trace* trace) const;
    [[nodiscard]] Outcome decide_any(const Node& node, const Scene& scene, Trace* trace) const;

    Node root_;
    bool soft_signatures_;
};

} // namespace belay::hooks
