#include "belayd/hooks/rule_signature.hpp"

#include "belayd/config/load.hpp"
#include "belayd/hooks/values.hpp"

#include <fmt/format.h>

#include <utility>

namespace belay::hooks {

RuleSignature::RuleSignature(const config::Rule& rule, const std::string& config_directory, Secrets secrets)
    : auth_(*rule.auth), is_assumed_(secrets == Secrets::unused)
{
    if (is_assumed_)
        return;
    try {
        authenticator_ = std::make_unique<const Authenticator>(auth_, config_directory);
    } catch (const config::ConfigError& error) {
        if (secrets == Secrets::required)
            throw;
        fault_ = error.diagnostics().front().message;
    }
}

SignatureFinding RuleSignature::check(const Input& input, bool is_negated) const
{
    using State = SignatureFinding::State;
    if (is_assumed_ && is_negated)
        return {State::unknown, {}, not_assumed};
    if (is_assumed_)
        return {.state = State::good, .key = 0, .is_assumed = true};
    const std::string& header = auth_.scheme.header;
    if (input.withholds(header))
        return {State::unknown, {}, describe_withheld(header)};
    if (input.request.count(header) == 0)
        return {State::bad, {}, fmt::format("the request has no {}", header)};
    if (!authenticator_)
        return {State::unknown, {}, fault_};
    Verdict verdict = authenticator_->verify(input);
    return {verdict.authentic ? State::good : State::bad, verdict.key, std::move(verdict.why_not)};
}

} // namespace belay::hooks
