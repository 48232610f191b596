#include "belayd/hooks/webhook_rule.hpp"

#include "belayd/config/load.hpp"
#include "belayd/config/pattern.hpp"
#include "belayd/hooks/encoding.hpp"
#include "belayd/hooks/secret.hpp"
#include "belayd/hooks/signed_time.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string_view>

namespace belay::hooks {
namespace {

using Outcome = WebhookRule::Outcome;
using Error = WebhookRule::Error;
using Algorithm = config::SignatureForm::Algorithm;

constexpr Outcome no_match{};

std::string_view hash_of(Algorithm algorithm)
{
    return algorithm == Algorithm::hmac_sha1 ? "SHA1" : algorithm == Algorithm::hmac_sha512 ? "SHA512" : "SHA256";
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

Outcome check_hmac(const Mac& mac, const std::string& header, const std::string& label, const WebhookRequest& request)
{
    config::ValueSource source;
    source.kind = config::ValueSource::Kind::header;
    source.text = header;
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

Outcome check_networks(const std::vector<IpNetwork>& networks, const WebhookRequest& request)
{
    const auto address = parse_ip_address(request.request().peer->address);
    if (!address)
        return {false, Error::other}; // a unix socket
    return {std::ranges::any_of(networks, [&address](const IpNetwork& network) { return network.contains(*address); })};
}

Outcome check_value(const config::Rule& rule, const re2::RE2* pattern, const WebhookRequest& request)
{
    const auto found = request.look_up(rule.source);
    if (found.walk != Walk::found)
        return {false, found.walk == Walk::missing ? Error::missing : Error::other};
    if (rule.test == config::Rule::Test::exists)
        return {std::get<bool>(rule.operands.front())};
    if (pattern != nullptr)
        return {re2::RE2::PartialMatch(found.text, *pattern)};
    return {is_equal(found.text, std::get<std::string>(rule.operands.front()))};
}

} // namespace

WebhookRule::WebhookRule(const config::Rule& rule, const std::string& config_directory, bool soft_signatures)
    : root_(compile(rule, config_directory)), soft_signatures_(soft_signatures)
{
}

WebhookRule::Node WebhookRule::compile(const config::Rule& rule, const std::string& config_directory)
{
    Node node{.rule = &rule};
    for (const auto& child : rule.rules)
        node.children.push_back(compile(child, config_directory));
    if (rule.kind == config::Rule::Kind::signature) {
        const auto& form = rule.auth->scheme.forms.front();
        try {
            node.secret =
                Secret{Mac{hash_of(form.algorithm), load_secret(rule.auth->secrets.front(), config_directory)},
                    rule.auth->scheme.header, form.label, rule.auth->scheme.name == "scalr"};
        } catch (const std::runtime_error& error) {
            throw config::ConfigError{{config::make_diagnostic(rule.auth->secrets.front().origin, error.what())}};
        }
    } else if (rule.kind == config::Rule::Kind::test && rule.test == config::Rule::Test::regex) {
        node.pattern = config::compile_regex(std::get<std::string>(rule.operands.front()));
    } else if (rule.kind == config::Rule::Kind::test && rule.test == config::Rule::Test::in) {
        for (const auto& operand : rule.operands)
            if (const auto network = parse_ip_network(std::get<std::string>(operand)))
                node.networks.push_back(*network);
    }
    return node;
}

Outcome WebhookRule::evaluate(const WebhookRequest& request, std::chrono::sys_seconds now) const
{
    return evaluate(root_, request, now);
}

Outcome WebhookRule::evaluate(const Node& node, const WebhookRequest& request, std::chrono::sys_seconds now) const
{
    switch (node.rule->kind) {
    case config::Rule::Kind::all:
        return evaluate_all(node, request, now);
    case config::Rule::Kind::any:
        return evaluate_any(node, request, now);
    case config::Rule::Kind::negation: {
        const Outcome outcome = evaluate(node.children.front(), request, now);
        return {!outcome.value, outcome.error};
    }
    case config::Rule::Kind::signature:
        return node.secret->is_scalr ? check_scalr(node.secret->mac, request, now)
                                     : check_hmac(node.secret->mac, node.secret->header, node.secret->label, request);
    case config::Rule::Kind::test:
        break;
    }
    if (node.rule->test == config::Rule::Test::in)
        return check_networks(node.networks, request);
    return check_value(*node.rule, node.pattern.get(), request);
}

Outcome WebhookRule::evaluate_all(const Node& node, const WebhookRequest& request, std::chrono::sys_seconds now) const
{
    for (const Node& child : node.children) {
        const Outcome outcome = evaluate(child, request, now);
        if (outcome.error != Error::none)
            return {false, outcome.error};
        if (!outcome.value)
            return no_match;
    }
    return {true};
}

Outcome WebhookRule::evaluate_any(const Node& node, const WebhookRequest& request, std::chrono::sys_seconds now) const
{
    for (const Node& child : node.children) {
        const Outcome outcome = evaluate(child, request, now);
        const bool is_passed_over = outcome.error == Error::none || outcome.error == Error::missing ||
                                    (outcome.error == Error::signature && soft_signatures_);
        if (!is_passed_over)
            return {false, outcome.error};
        if (outcome.value)
            return {true};
    }
    return no_match;
}

} // namespace belay::hooks
