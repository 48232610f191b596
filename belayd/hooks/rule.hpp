#pragma once
#include "base/ip_network.hpp"
#include "belayd/config/rule.hpp"
#include "belayd/hooks/rule_signature.hpp"
#include "belayd/hooks/values.hpp"
#include "belayd/hooks/verdict.hpp"

#include <re2/re2.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace belay::hooks {

/** How a rule was decided, and what it saw.  Lifetime: borrows the rule. */
struct Trace {
    enum class Result : std::uint8_t {
        match,
        mismatch,
        missing, ///< there is no such value: that does not match either
        error,   ///< the request cannot be read
        unseen,  ///< not looked at, since those before have decided
        unknown  ///< it hangs on what cannot be told here, see UnknownSignature: never in belayd
    };

    const config::Rule& rule;
    Result result = Result::unseen;
    std::optional<std::string> value = {}; ///< of a test, where there is one
    std::string why = {};                  ///< a phrase; what is malformed, of an error
    /** Of a signature: the name of the secret that fits, or why there is none; of what is unknown: why.  For operators.
     */
    std::string detail = {};
    bool is_assumed = false; ///< a signature that matches, unchecked
    std::vector<Trace> children = {};

    /** Of a tree that does not match: the first rule to blame, which may be this one.  Else nullptr. */
    [[nodiscard]] const Trace* culprit() const noexcept;
};

/**
 * A hook's `when`, compiled: expressions and networks parsed, secrets loaded, what a sender is told of a mismatch
 * written.
 *
 * Rules are looked at in their order, and only until they have decided.
 * Lifetime: borrows the rule.  Thread-safe.
 */
class Matcher {
public:
    /**
     * @param rule as config::read_rule() takes it
     * @param config_directory where its secrets lie
     * @param first_secret the place of its first one among those of the hook
     * @throws config::ConfigError naming a secret that is required and cannot be had
     */
    explicit Matcher(const config::Rule& rule, const std::string& config_directory = {},
        Secrets secrets = Secrets::required, std::size_t first_secret = 0);

    /** The whole request, and the values in it. */
    struct Question {
        Values& values;
        const Input& input;
    };

    /**
     * For who sent the request: only the operator's words, none of the request's.
     * @param signed_by gains the secrets by which signatures were found to be made, as far as rules were looked at
     * @return nothing where it matches; as long as this lives
     * @throws MalformedPayload
     * @throws UnknownSignature
     */
    [[nodiscard]] std::optional<std::string_view> find_mismatch(
        Question question, std::vector<SignedBy>& signed_by) const;

    /** The same decision for the operator, with every value that was seen.  A request that cannot be read is an error.
     */
    [[nodiscard]] Trace evaluate(Question question) const;

private:
    struct Node {
        const config::Rule* rule;
        std::vector<Node> children;
        std::shared_ptr<const re2::RE2> pattern;
        std::vector<IpNetwork> networks;
        std::shared_ptr<const RuleSignature> signature;
        std::size_t first_secret; ///< of the signature, among those of the hook
        bool is_negated;          ///< it is below a `not`
        std::string mismatch;     ///< what to say where it does not match
        std::string missing;      ///< and where there is no value
    };
    struct Verdict {
        Trace::Result result;
        const Node* culprit;
    };
    struct Loading;
    class Silence;
    class Recorder;

    [[nodiscard]] static Node compile(const config::Rule& rule, Loading& loading);
    static void compile_test(const config::Rule& rule, Node& node);
    [[nodiscard]] static bool accepts(const Node& node, const Value& value);
    template <typename Observer>
    [[nodiscard]] static Verdict decide(const Node& node, Question question, Observer observer);
    template <typename Observer>
    [[nodiscard]] static Verdict decide_list(const Node& node, Question question, Observer observer);
    template <typename Observer>
    [[nodiscard]] static Verdict decide_signature(const Node& node, const Input& input, Observer observer);
    template <typename Observer>
    [[nodiscard]] static Verdict decide_test(const Node& node, Question question, Observer observer);

    Node root_;
};

} // namespace belay::hooks
