#include "belayd/hooks/webhook_rule.hpp"

#include "belayd/config/load.hpp"
#include "belayd/config/pattern.hpp"
#include "belayd/hooks/encoding.hpp"
#include "belayd/hooks/secret.hpp"
#include "belayd/hooks/secret_key.hpp"
#include "belayd/hooks/signed_time.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace belay::hooks {
namespace {

using Outcome = WebhookRule::Outcome;
using Error = WebhookRule::Error;

constexpr Outcome no_match{};
constexpr Outcome unknown{false, Error::unknown};

void explain(Trace* trace, std::string detail)
{
    if (trace != nullptr)
        trace->detail = std::move(detail);
}

bool is_equal(std::string_view a, std::string_view b)
{
    return a.size() == b.size() && ::CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

/** Of a text with commas the parts that have the label, else the text itself, with or without. */
std::vector<std::string_view> signatures_in(std::string_view text, std::string_view label)
{
    const auto strip = [label](std::string_view part) {
        return part.starts_with(label) ? part.substr(label.size()) : part;
    };
    if (text.find(',') == std::string_view::npos)
        return {strip(text)};
    std::vector<std::string_view> signatures;
    for (std::size_t from = 0; from <= text.size();) {
        const auto end = std::min(text.find(',', from), text.size());
        const auto part = text.substr(from, end - from);
        if (part.starts_with(label))
            signatures.push_back(strip(part));
        from = end + 1;
    }
    return signatures;
}

Outcome check_hmac(
    const Mac& mac, const config::ValueSource& source, const std::string& label, const WebhookRequest& request)
{
    const auto found = request.look_up(source);
    if (found.walk != Walk::found)
        return {false, found.walk == Walk::missing ? Error::missing : Error::other};
    const std::array message{request.body()};
    const std::string right = to_hex(mac.digest(message).view());
    bool is_right = false;
    for (const auto signature : signatures_in(found.text, label))
        is_right = is_equal(signature, right) || is_right;
    return is_right ? Outcome{true} : Outcome{false, Error::signature};
}

Outcome check_scalr(const Mac& mac, const WebhookRequest& request, std::chrono::sys_seconds now)
{
    const GoValue* const signature = request.headers().find("X-Signature");
    const GoValue* const date = request.headers().find("Date");
    if (signature == nullptr || date == nullptr)
        return no_match;
    if (signature->kind != GoValue::Kind::text || date->kind != GoValue::Kind::text)
        return {false, Error::other};
    const std::array<std::string_view, 2> message{request.body(), date->text};
    if (!is_equal(signature->text, to_hex(mac.digest(message).view())))
        return {false, Error::signature};
    const auto time = parse_signed_time(config::SignedTime::Format::date, date->text);
    if (!time)
        return {false, Error::other};
    constexpr std::chrono::seconds most{300};
    return std::chrono::abs(now - *time) > most ? Outcome{false, Error::signature} : Outcome{true};
}

Outcome check_networks(const std::vector<IpNetwork>& networks, const WebhookRequest& request, Trace* trace)
{
    const auto address = parse_ip_address(request.request().peer->address);
    if (!address)
        return {false, Error::other}; // a unix socket
    if (trace != nullptr)
        trace->value = request.request().peer->address;
    return {std::ranges::any_of(networks, [&address](const IpNetwork& network) { return network.contains(*address); })};
}

Outcome check_value(
    const config::Rule& rule, const re2::RE2* pattern, const WebhookRequest& request, const Input& input, Trace* trace)
{
    if (rule.source.kind == config::ValueSource::Kind::header && input.withholds(rule.source.text)) {
        explain(trace, describe_withheld(rule.source.text));
        return unknown;
    }
    const auto found = request.look_up(rule.source);
    if (found.walk != Walk::found)
        return {false, found.walk == Walk::missing ? Error::missing : Error::other};
    if (trace != nullptr)
        trace->value = found.text;
    if (rule.test == config::Rule::Test::exists)
        return {std::get<bool>(rule.operands.front())};
    if (pattern != nullptr)
        return {re2::RE2::PartialMatch(found.text, *pattern)};
    return {is_equal(found.text, std::get<std::string>(rule.operands.front()))};
}

/** Its words until it is looked at. */
Trace make_trace(const config::Rule& rule)
{
    Trace trace{.rule = rule, .why = config::describe(rule)};
    for (const config::Rule& child : rule.rules)
        trace.children.push_back(make_trace(child));
    return trace;
}

Trace* child_of(Trace* trace, std::size_t i)
{
    return trace == nullptr ? nullptr : &trace->children[i];
}

/** Why it is as it is: of a list and of "not", what is below them tells more. */
std::string words_for(const Trace& trace, Error error)
{
    using Result = Trace::Result;
    if (trace.result == Result::match || trace.result == Result::unknown)
        return config::describe(trace.rule);
    if (trace.rule.kind == config::Rule::Kind::negation && error != Error::none)
        return trace.children.front().why;
    if (trace.rule.kind == config::Rule::Kind::test && error == Error::missing)
        return config::describe(trace.rule.source) + " is missing";
    if (trace.rule.kind == config::Rule::Kind::test && error == Error::other)
        return config::describe(trace.rule.source) + " cannot be read as webhook reads it";
    return config::describe_mismatch(trace.rule);
}

} // namespace

WebhookRule::WebhookRule(
    const config::Rule& rule, const std::string& config_directory, bool soft_signatures, Signatures signatures)
    : root_(compile(rule, config_directory, signatures, /*is_negated=*/false)), soft_signatures_(soft_signatures)
{
}

WebhookRule::Node WebhookRule::compile(
    const config::Rule& rule, const std::string& config_directory, Signatures signatures, bool is_negated)
{
    using Kind = config::Rule::Kind;
    Node node{.rule = &rule, .is_negated = is_negated};
    for (const auto& child : rule.rules)
        node.children.push_back(
            compile(child, config_directory, signatures, is_negated || rule.kind == Kind::negation));
    if (rule.kind == Kind::signature && signatures == Signatures::checked) {
        node.secret = load(rule, config_directory);
    } else if (rule.kind == Kind::test && rule.test == config::Rule::Test::regex) {
        node.pattern = config::compile_regex(std::get<std::string>(rule.operands.front()));
    } else if (rule.kind == Kind::test && rule.test == config::Rule::Test::in) {
        for (const auto& operand : rule.operands)
            if (const auto network = parse_ip_network(std::get<std::string>(operand)))
                node.networks.push_back(*network);
    }
    return node;
}

WebhookRule::Secret WebhookRule::load(const config::Rule& rule, const std::string& config_directory)
{
    const config::Scheme& scheme = rule.auth->scheme;
    const auto& form = scheme.forms.front();
    config::ValueSource source = rule.source;
    if (!scheme.header.empty()) {
        source.kind = config::ValueSource::Kind::header;
        source.text = scheme.header;
    }
    try {
        std::string secret = load_secret(rule.auth->secrets.front(), config_directory);
        const Wiped wiped{secret};
        return {Mac{hash_of(form.algorithm), secret}, std::move(source), form.label, scheme.name == "scalr"};
    } catch (const std::runtime_error& error) {
        throw config::ConfigError{{config::make_diagnostic(rule.auth->secrets.front().origin, error.what())}};
    }
}

Outcome WebhookRule::evaluate(const WebhookRequest& request, const Input& input) const
{
    return evaluate(root_, {request, input}, {.missing = true}, nullptr);
}

Trace WebhookRule::trace(const WebhookRequest& request, const Input& input) const
{
    Trace trace = make_trace(*root_.rule);
    try {
        (void)evaluate(root_, {request, input}, {.missing = true}, &trace);
    } catch (const MalformedPayload&) { // is in it
    }
    return trace;
}

Trace WebhookRule::unseen_trace() const
{
    return make_trace(*root_.rule);
}

void WebhookRule::record(Trace& trace, Outcome outcome, Tolerance tolerance)
{
    using Result = Trace::Result;
    const bool is_value = outcome.error == Error::none || (outcome.error == Error::missing && tolerance.missing) ||
                          (outcome.error == Error::signature && tolerance.signature);
    trace.result = outcome.error == Error::unknown   ? Result::unknown
                   : is_value && outcome.value       ? Result::match
                   : outcome.error == Error::missing ? Result::missing
                   : is_value                        ? Result::mismatch
                                                     : Result::error;
    trace.why = words_for(trace, outcome.error);
}

Outcome WebhookRule::evaluate(const Node& node, const Scene& scene, Tolerance tolerance, Trace* trace) const
{
    if (trace == nullptr)
        return decide(node, scene, tolerance, nullptr);
    try {
        const Outcome outcome = decide(node, scene, tolerance, trace);
        record(*trace, outcome, tolerance);
        return outcome;
    } catch (const MalformedPayload& malformed) {
        trace->result = Trace::Result::error;
        trace->why = malformed.what();
        throw;
    }
}

Outcome WebhookRule::decide(const Node& node, const Scene& scene, Tolerance tolerance, Trace* trace) const
{
    switch (node.rule->kind) {
    case config::Rule::Kind::all:
        return decide_all(node, scene, tolerance, trace);
    case config::Rule::Kind::any:
        return decide_any(node, scene, trace);
    case config::Rule::Kind::negation: {
        const Outcome outcome = evaluate(node.children.front(), scene, tolerance, child_of(trace, 0));
        return {!outcome.value, outcome.error};
    }
    case config::Rule::Kind::signature:
        return check_signature(node, scene, trace);
    case config::Rule::Kind::test:
        break;
    }
    if (node.rule->test == config::Rule::Test::in)
        return check_networks(node.networks, scene.request, trace);
    return check_value(*node.rule, node.pattern.get(), scene.request, scene.input, trace);
}

Outcome WebhookRule::check_signature(const Node& node, const Scene& scene, Trace* trace)
{
    if (!node.secret) {
        explain(trace, node.is_negated ? RuleSignature::not_assumed : RuleSignature::assumed);
        if (trace != nullptr)
            trace->is_assumed = !node.is_negated;
        return node.is_negated ? unknown : Outcome{true};
    }
    const auto& [mac, source, label, is_scalr] = *node.secret;
    const Outcome outcome =
        is_scalr ? check_scalr(mac, scene.request, std::chrono::floor<std::chrono::seconds>(scene.input.now))
                 : check_hmac(mac, source, label, scene.request);
    if (trace == nullptr)
        return outcome;
    if (outcome.value)
        trace->detail = node.rule->auth->secrets.front().name;
    else if (outcome.error == Error::other)
        trace->detail = "it cannot be read as webhook reads it";
    else if (outcome.error == Error::missing)
        trace->detail = config::describe(source) + " is missing";
    else if (outcome.error == Error::none)
        trace->detail = "the request has no X-Signature, or no Date";
    else
        trace->detail =
            is_scalr ? "it is by another secret, or its Date is over 300 s away" : "it is by another secret";
    return outcome;
}

/**
 * What is unknown leaves it open what webhook comes to, and whether those after it are reached at all: but for one that
 * does not match, where a missing value is no more than that.
 */
Outcome WebhookRule::decide_all(const Node& node, const Scene& scene, Tolerance tolerance, Trace* trace) const
{
    bool is_unknown = false;
    for (std::size_t i = 0; i < node.children.size(); ++i) {
        const Outcome outcome = evaluate(node.children[i], scene, {}, child_of(trace, i));
        const bool is_no = outcome.error == Error::missing || (outcome.error == Error::none && !outcome.value);
        if (is_unknown && is_no && tolerance.missing)
            return no_match;
        is_unknown = is_unknown || outcome.error == Error::unknown;
        if (is_unknown)
            continue;
        if (outcome.error != Error::none)
            return {false, outcome.error};
        if (!outcome.value)
            return no_match;
    }
    return is_unknown ? unknown : Outcome{true};
}

Outcome WebhookRule::decide_any(const Node& node, const Scene& scene, Trace* trace) const
{
    const Tolerance tolerance{.missing = true, .signature = soft_signatures_};
    bool is_unknown = false;
    for (std::size_t i = 0; i < node.children.size(); ++i) {
        const Outcome outcome = evaluate(node.children[i], scene, tolerance, child_of(trace, i));
        if (outcome.error == Error::unknown) {
            is_unknown = true;
            continue;
        }
        const bool is_passed_over = outcome.error == Error::none || outcome.error == Error::missing ||
                                    (outcome.error == Error::signature && soft_signatures_);
        if (!is_passed_over)
            return is_unknown ? unknown : Outcome{false, outcome.error};
        if (outcome.value)
            return {true};
    }
    return is_unknown ? unknown : no_match;
}

} // namespace belay::hooks
