#include "belayd/config/checks.hpp"
#include "belayd/config/load.hpp"
#include "belayd/config/pattern.hpp"
#include "belayd/config/rule_schema.hpp"
#include "belayd/config/scheme.hpp"
#include "belayd/config/toml_document.hpp"
#include "belayd/config/values.hpp"
#include "cli/import/dialect.hpp"

#include <boost/beast/core/string.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <span>

namespace belay::webhook {
namespace {

using boost::beast::iequals;
using config::to_toml;

/** A rule as TOML, or what it always comes to. */
struct Condition {
    enum class Kind : std::uint8_t { test, always, never } kind = Kind::test;
    std::string text = {}; ///< of a test: { payload = "/ref", equals = "x" }
};

const Condition always{Condition::Kind::always};
const Condition never{Condition::Kind::never};

constexpr const char* never_text = "{ request = \"method\", equals = \"\" }";

/** What webhook compares with an HMAC of the body. */
struct HmacType {
    std::string_view name;
    std::string_view old_name;
    std::string_view algorithm;
    std::string_view label;
    config::SignatureForm::Algorithm form;
};

constexpr std::array hmac_types{HmacType{"payload-hmac-sha1", "payload-hash-sha1", "hmac_sha1",
                                    "sha1=", config::SignatureForm::Algorithm::hmac_sha1},
    HmacType{"payload-hmac-sha256", "payload-hash-sha256", "hmac_sha256",
        "sha256=", config::SignatureForm::Algorithm::hmac_sha256},
    HmacType{"payload-hmac-sha512", "payload-hash-sha512", "hmac_sha512",
        "sha512=", config::SignatureForm::Algorithm::hmac_sha512}};

const HmacType* find_hmac(const Match& match)
{
    const auto found = std::ranges::find_if(
        hmac_types, [&match](const HmacType& it) { return match.type == it.name || match.type == it.old_name; });
    return found == hmac_types.end() ? nullptr : &*found;
}

/** Its match, if that is what webhook goes by. */
const Match* match_of(const Rule& rule)
{
    return !rule.all && !rule.any && rule.negated.empty() && rule.match ? &*rule.match : nullptr;
}

/** The one rule itself, or those of its "or", if all are matches. */
std::vector<const Match*> matches_of(const Rule& rule)
{
    std::vector<const Match*> matches;
    for (const Rule& one : !rule.all && rule.any ? std::span{*rule.any} : std::span{&rule, 1}) {
        matches.push_back(match_of(one));
        if (matches.back() == nullptr)
            return {};
    }
    return matches;
}

template <typename Test>
bool are_all(const std::vector<const Match*>& matches, Test test)
{
    return !matches.empty() && std::ranges::all_of(matches, [&test](const Match* match) { return test(*match); });
}

bool is_whitelist(const Match& match)
{
    return match.type == "ip-whitelist";
}

bool can_be_secret(const std::string& text)
{
    constexpr std::size_t most = 4096; // what belayd reads of a secret's file
    return !text.empty() && text.size() <= most && text.find('\0') == std::string::npos;
}

bool is_signature(const Match& match)
{
    const bool has_header =
        match.type == "scalr-signature" || (find_hmac(match) != nullptr && match.parameter.source == "header" &&
                                               config::fault_in_header_name(match.parameter.name).empty());
    return has_header && can_be_secret(match.secret);
}

bool sounds_secret(std::string name)
{
    std::ranges::transform(
        name, name.begin(), [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
    return std::ranges::any_of(std::array{"token", "secret", "key", "password", "auth", "signature"},
        [&name](const char* word) { return name.find(word) != std::string::npos; });
}

/** A header that is compared with what only the sender knows. */
bool is_token(const Match& match)
{
    return match.type == "value" && match.parameter.source == "header" &&
           config::fault_in_header_name(match.parameter.name).empty() && sounds_secret(match.parameter.name) &&
           can_be_secret(match.value);
}

bool is_same_shape(const Match& a, const Match& b)
{
    return a.type == b.type && a.parameter.source == b.parameter.source && iequals(a.parameter.name, b.parameter.name);
}

/** The sender that belay knows by that header and algorithm. */
const config::Scheme* find_sender(const std::string& header, config::SignatureForm::Algorithm algorithm)
{
    const auto schemes = config::known_schemes();
    const auto found = std::ranges::find_if(schemes, [&](const config::Scheme& scheme) {
        return iequals(scheme.header, header) && scheme.layout == config::Scheme::Layout::single &&
               scheme.forms.size() == 1 && scheme.forms.front().algorithm == algorithm && scheme.message == "{body}" &&
               scheme.forms.front().encoding != config::SignatureForm::Encoding::base64;
    });
    return found == schemes.end() ? nullptr : &*found;
}

/** scheme = "github", or what says the same for a sender that belay does not know. */
std::string scheme_of(const Match& match, const Scope& scope)
{
    const std::string& header = match.parameter.name;
    if (match.type == "scalr-signature")
        return "scheme = \"scalr\"";
    const auto* const hmac = find_hmac(match);
    const auto algorithm = hmac != nullptr ? hmac->form : config::SignatureForm::Algorithm::equality;
    if (const auto* const sender = scope.mode == Mode::native ? find_sender(header, algorithm) : nullptr)
        return fmt::format("scheme = {}", to_toml(std::string_view{sender->name}));
    const auto custom =
        fmt::format("scheme = \"custom\", header = {}, algorithm = ", to_toml(std::string_view{header}));
    if (hmac == nullptr)
        return custom + "\"token\", encoding = \"plain\"";
    const bool has_label = scope.mode == Mode::strict || iequals(header, "X-Hub-Signature");
    if (!has_label)
        scope.notes.warn(match.parameter.line,
            fmt::format("{} must be digits alone; add label = \"{}\" to auth if the sender writes that before them",
                header, hmac->label));
    return custom + fmt::format("\"{}\"{}{}", hmac->algorithm,
                        has_label ? fmt::format(", label = \"{}\"", hmac->label) : "",
                        scope.mode == Mode::native && has_label ? ", delivery_header = \"X-GitHub-Delivery\"" : "");
}

/** The signature is not in a header: strict mode takes it from where webhook does. */
std::optional<std::string> signature_elsewhere(const Match& match, const Scope& scope)
{
    const auto* const hmac = find_hmac(match);
    if (scope.mode != Mode::strict || hmac == nullptr || match.parameter.source == "header" ||
        !can_be_secret(match.secret))
        return std::nullopt;
    const auto source = request_source(match.parameter, scope);
    if (!source)
        return std::nullopt;
    return fmt::format("{{ signature = {{ scheme = \"custom\", algorithm = \"{}\", label = \"{}\", {} }}, {} }}",
        hmac->algorithm, hmac->label, secret_member({match.secret}, scope), *source);
}

Condition signature_rule(const Match& match, const Scope& scope)
{
    if (auto elsewhere = signature_elsewhere(match, scope))
        return {.text = std::move(*elsewhere)};
    if (!is_signature(match)) {
        scope.notes.lose(match.parameter.line,
            fmt::format("{} needs a secret, and a header that has the signature: this never matches", match.type));
        return never;
    }
    if (scope.mode == Mode::native && !scope.hook.soft_signatures)
        scope.notes.warn(match.parameter.line, "a wrong signature is one that does not match: webhook refuses the "
                                               "request for it, whatever else the rule says");
    return {.text = fmt::format(
                "{{ signature = {{ {}, {} }} }}", scheme_of(match, scope), secret_member({match.secret}, scope))};
}

/** As text also what is always so: in strict mode what fails beside it is more than no match. */
Condition keep(Condition condition, const Scope& scope)
{
    if (scope.mode == Mode::strict && condition.kind != Condition::Kind::test)
        return {
            .text = condition.kind == Condition::Kind::never ? never_text : "{ request = \"method\", exists = true }"};
    return condition;
}

Condition convert(const Rule& rule, const Scope& scope);

/** A value that is compared. */
Condition test_rule(const Match& match, const Scope& scope)
{
    const bool is_regex = match.type == "regex";
    if (is_regex && !config::fault_in_regex(match.regex).empty()) {
        scope.notes.lose(match.parameter.line, "the regex is none of RE2's: this never matches");
        return never;
    }
    if (match.parameter.source == "string") {
        const bool same = is_regex ? re2::RE2::PartialMatch(match.parameter.name, re2::RE2{match.regex})
                                   : match.parameter.name == match.value;
        return same ? always : never;
    }
    const auto source = request_source(match.parameter, scope);
    if (!source)
        return never;
    if (!is_regex && sounds_secret(match.parameter.name))
        scope.notes.warn(match.parameter.line,
            fmt::format("what {} is compared with looks like a secret, and is in belay.toml: let nobody else read it",
                match.parameter.name));
    return {.text = fmt::format("{{ {}, {} = {} }}", *source, is_regex ? "regex" : "equals",
                to_toml(std::string_view{is_regex ? match.regex : match.value}))};
}

Condition convert_match(const Match& match, const Scope& scope)
{
    if (is_whitelist(match))
        return {.text = fmt::format("{{ request = \"remote_address\", in = {} }}",
                    networks(match.ip_range, match.parameter.line, scope))};
    if (match.type == "scalr-signature" || find_hmac(match) != nullptr)
        return signature_rule(match, scope);
    if (match.type == "value" || match.type == "regex")
        return test_rule(match, scope);
    scope.notes.warn(
        match.parameter.line, fmt::format("webhook knows no match of type \"{}\": it never matches", match.type));
    return never;
}

Condition join(std::string_view key, const std::vector<std::string>& texts, Mode mode)
{
    if (texts.size() == 1 && mode == Mode::native)
        return {.text = texts.front()};
    return {.text = fmt::format("{{ {} = [{}] }}", key, fmt::join(texts, ", "))};
}

/** { payload = "/ref", exists = true } of a match that compares a value. */
std::optional<std::string> presence(const Rule& rule, const Scope& scope)
{
    const Match* const match = match_of(rule);
    if (match == nullptr || (match->type != "value" && match->type != "regex") || match->parameter.source == "string")
        return std::nullopt;
    const auto source = request_source(match->parameter, scope);
    return source ? std::optional{fmt::format("{{ {}, exists = true }}", *source)} : std::nullopt;
}

/** Within an "and" webhook lets a missing value decide against a "not", too. */
void require_negated(const Rule& rule, std::vector<std::string>& texts, const Scope& scope)
{
    if (scope.mode == Mode::strict)
        return;
    if (auto text = presence(rule, scope))
        texts.push_back(std::move(*text));
    else if (match_of(rule) == nullptr)
        scope.notes.warn(rule.line, "of a value that is missing, this \"not\" is true");
}

Condition convert_all(std::span<const Rule* const> rules, const Scope& scope)
{
    std::vector<std::string> texts;
    bool impossible = false;
    for (const Rule* const rule : rules) {
        auto condition = convert(*rule, scope);
        if (condition.kind == Condition::Kind::test && !rule->all && !rule->any && !rule->negated.empty())
            require_negated(rule->negated.front(), texts, scope);
        impossible = impossible || condition.kind == Condition::Kind::never;
        if (condition.kind == Condition::Kind::test)
            texts.push_back(std::move(condition.text));
    }
    if (impossible)
        return never;
    return texts.empty() ? keep(always, scope) : join("all", texts, scope.mode);
}

Condition convert_any(const std::vector<Rule>& rules, const Scope& scope)
{
    std::vector<std::string> texts;
    bool certain = false;
    for (const Rule& rule : rules) {
        auto condition = convert(rule, scope);
        certain = certain || condition.kind == Condition::Kind::always;
        if (condition.kind == Condition::Kind::test)
            texts.push_back(std::move(condition.text));
    }
    if (certain)
        return always;
    return texts.empty() ? keep(never, scope) : join("any", texts, scope.mode);
}

/** Of what webhook looks at. */
bool has_signature(const Rule& rule)
{
    if (rule.all || rule.any)
        return std::ranges::any_of(rule.all ? *rule.all : *rule.any, has_signature);
    if (!rule.negated.empty())
        return has_signature(rule.negated.front());
    return rule.match && is_signature(*rule.match);
}

Condition convert(const Rule& rule, const Scope& scope)
{
    if (rule.all) {
        std::vector<const Rule*> rules;
        for (const Rule& one : *rule.all)
            rules.push_back(&one);
        return convert_all(rules, scope);
    }
    if (rule.any)
        return convert_any(*rule.any, scope);
    if (rule.negated.empty())
        return keep(rule.match ? convert_match(*rule.match, scope) : never, scope);
    auto condition = convert(rule.negated.front(), scope);
    if (scope.mode == Mode::native && has_signature(rule.negated.front()))
        scope.notes.warn(rule.line, "of a request whose signature is wrong, this \"not\" is true: webhook refuses it");
    if (condition.kind == Condition::Kind::test)
        return {.text = fmt::format("{{ not = {} }}", condition.text)};
    return condition.kind == Condition::Kind::always ? never : always;
}

/** Rules that must all hold. */
void flatten(const Rule& rule, std::vector<const Rule*>& conjuncts)
{
    if (!rule.all) {
        conjuncts.push_back(&rule);
        return;
    }
    for (const Rule& one : *rule.all)
        flatten(one, conjuncts);
}

/** Takes out the first for which test() holds. */
template <typename Test>
std::vector<const Match*> take(std::vector<const Rule*>& conjuncts, Test test)
{
    for (auto rule = conjuncts.begin(); rule != conjuncts.end(); ++rule) {
        auto matches = matches_of(**rule);
        if (!are_all(
                matches, [&](const Match& match) { return test(match) && is_same_shape(match, *matches.front()); }))
            continue;
        conjuncts.erase(rule);
        return matches;
    }
    return {};
}

/** The auth of what proves who sends, taken out of the rules. */
std::string take_auth(std::vector<const Rule*>& conjuncts, const Scope& scope)
{
    auto proofs = take(conjuncts, is_signature);
    const bool are_tokens = proofs.empty();
    if (are_tokens)
        proofs = take(conjuncts, is_token);
    const auto whitelists = take(conjuncts, is_whitelist);
    std::vector<std::string> members;
    if (!proofs.empty()) {
        std::vector<std::string> secrets;
        for (const Match* const match : proofs)
            secrets.push_back(are_tokens ? match->value : match->secret);
        members = {scheme_of(*proofs.front(), scope), secret_member(secrets, scope)};
    }
    if (!whitelists.empty()) {
        std::string ranges;
        for (const Match* const match : whitelists)
            ranges += match->ip_range + " ";
        members.push_back("addresses = " + networks(ranges, whitelists.front()->parameter.line, scope));
    }
    if (!members.empty())
        return fmt::format("{{ {} }}", fmt::join(members, ", "));
    return "\"none\"";
}

/** What belayd says of it, "" for nothing: it may be too large. */
std::string fault_in_rule(const Condition& condition)
{
    if (condition.kind != Condition::Kind::test)
        return {};
    try {
        config::Problems problems;
        const auto document = config::parse_document("when = " + condition.text, "");
        (void)config::read_rule(document.root.members.front().value, problems);
        problems.throw_if_any();
    } catch (const config::ConfigError& error) {
        return error.diagnostics().front().message;
    }
    return {};
}

} // namespace

std::string secret_member(const std::vector<std::string>& texts, const Scope& scope)
{
    std::vector<std::string> files;
    for (const std::string& text : texts)
        files.push_back(scope.secrets_prefix + scope.notes.lift(scope.name, text));
    return "secret_file = " + (files.size() == 1 ? to_toml(std::string_view{files.front()}) : to_toml(files));
}

std::string rule_lines(const Scope& scope)
{
    const Rule whatever{.all = std::vector<Rule>{}};
    const Rule& rule = scope.hook.rule ? *scope.hook.rule : whatever;
    std::string auth = "\"none\"";
    Condition condition = always;
    if (scope.mode == Mode::native) {
        std::vector<const Rule*> conjuncts;
        flatten(rule, conjuncts);
        auth = take_auth(conjuncts, scope);
        if (rule.all)
            condition = convert_all(conjuncts, scope);
        else if (!conjuncts.empty())
            condition = convert(rule, scope);
        if (auth == "\"none\"")
            scope.notes.warn(scope.hook.line, "auth is \"none\": any sender whose request matches runs this hook");
    } else if (scope.hook.rule) {
        condition = convert(rule, scope);
    }
    if (const auto fault = fault_in_rule(condition); !fault.empty()) {
        scope.notes.lose(
            scope.hook.rule->line, fmt::format("belayd does not take this rule, so it never matches: {}", fault));
        condition = never;
    }
    const std::string lines = fmt::format("auth = {}\n", auth);
    if (condition.kind == Condition::Kind::always)
        return lines;
    if (condition.kind == Condition::Kind::never)
        return lines + fmt::format("when = {} # never\n", never_text);
    return lines + fmt::format("when = {}\n", condition.text);
}

} // namespace belay::webhook
