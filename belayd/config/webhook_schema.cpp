#include "belayd/config/webhook_schema.hpp"

#include "belayd/config/checks.hpp"
#include "belayd/config/settings.hpp"
#include "belayd/config/value_schema.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace belay::config {
namespace {

constexpr std::array<std::string_view, 1> dialects{"webhook"};

void read_methods(const Node& node, WebhookCompat& compat, Problems& problems)
{
    const auto nodes = read_strings(node, "methods", problems);
    if (!nodes)
        return;
    compat.methods.clear();
    for (const Node* const method : *nodes)
        compat.methods.push_back(method->text);
}

void read_parameters(const Node& node, WebhookCompat& compat, Problems& problems)
{
    if (node.type != Node::Type::array) {
        problems.add(node.origin, "json_parameters must be an array: [{ path = \"payload\" }]");
        return;
    }
    compat.json_parameters.clear();
    for (const Node& element : node.elements) {
        auto source = read_source(element, "a json parameter", problems);
        if (!source)
            continue;
        using Kind = ValueSource::Kind;
        if (source->kind == Kind::dotted_path || source->kind == Kind::header || source->kind == Kind::query)
            compat.json_parameters.push_back(std::move(*source));
        else
            problems.add(element.origin, "a json parameter is { path = … }, { header = … } or { query = … }");
    }
}

void read_soft_signatures(const Node& node, WebhookCompat& compat, Problems& problems)
{
    if (node.type == Node::Type::boolean)
        compat.soft_signatures = node.boolean;
    else
        problems.add(node.origin, fmt::format("soft_signatures must be true or false, not {}", describe(node.type)));
}

void read_headers(const Node& node, WebhookCompat& compat, Problems& problems)
{
    if (node.type != Node::Type::table) {
        problems.add(node.origin, "response_headers must be a table: { \"X-Name\" = \"value\" }");
        return;
    }
    compat.response_headers.clear();
    for (const auto& member : node.members) {
        const auto value = read_string(member.value, "a header", problems);
        if (!value)
            continue;
        const bool is_line =
            std::ranges::none_of(*value, [](char c) { return (c >= 0 && c < 0x20 && c != '\t') || c == 0x7f; });
        if (const auto fault = fault_in_response_header(member.key); !fault.empty())
            problems.add(member.origin, fmt::format("\"{}\" {}", member.key, fault));
        else if (!is_line)
            problems.add(member.value.origin, "a header is one line");
        else
            compat.response_headers.emplace_back(member.key, *value);
    }
}

std::string write_parameters(const WebhookCompat& compat)
{
    std::vector<std::string> texts;
    std::ranges::transform(compat.json_parameters, std::back_inserter(texts), write_source);
    return fmt::format("[{}]", fmt::join(texts, ", "));
}

std::string write_headers(const WebhookCompat& compat)
{
    std::vector<std::string> texts;
    for (const auto& [name, value] : compat.response_headers)
        texts.push_back(fmt::format("{} = {}", to_toml(std::string_view{name}), to_toml(std::string_view{value})));
    return texts.empty() ? "{}" : fmt::format("{{ {} }}", fmt::join(texts, ", "));
}

std::string fault_in_nothing(const std::string&)
{
    return {};
}

std::vector<Setting<WebhookCompat>> make_webhook_settings()
{
    return {
        {"methods", read_methods, [](const WebhookCompat& compat) { return to_toml(compat.methods); }, {}},
        text_setting<WebhookCompat>("content_type", member(&WebhookCompat::content_type), fault_in_nothing),
        {"json_parameters", read_parameters, write_parameters, {}},
        {"soft_signatures", read_soft_signatures,
            [](const WebhookCompat& compat) { return std::string{compat.soft_signatures ? "true" : "false"}; }, {}},
        text_setting<WebhookCompat>("response_message", member(&WebhookCompat::response_message), fault_in_nothing),
        choice_setting<WebhookCompat>(
            "answer_output", member(&WebhookCompat::answer_output), {"never", "success", "always"}),
        {"response_headers", read_headers, write_headers, {}},
        count_setting<WebhookCompat>("success_status", member(&WebhookCompat::success_status), 200, 599),
        count_setting<WebhookCompat>("mismatch_status", member(&WebhookCompat::mismatch_status), 200, 599),
    };
}

const std::vector<Setting<WebhookCompat>>& settings()
{
    static const auto made = make_webhook_settings();
    return made;
}

void check_source(const ValueSource& source, bool has_compat, Problems& problems)
{
    if (source.kind == ValueSource::Kind::dotted_path && !has_compat)
        problems.add(
            source.origin, "path is for hooks with compat = \"webhook\": write payload = \"/a/b\" for \"a.b\"");
    else if (source.kind == ValueSource::Kind::payload && has_compat && !source.text.empty())
        problems.add(
            source.origin, "a hook with compat = \"webhook\" has no JSON pointers: write path = \"a.b\" for \"/a/b\"");
}

/** Of all signatures that there are, webhook knows these. */
bool is_of_webhook(const Auth& auth)
{
    const Scheme& scheme = auth.scheme;
    const auto is_known = [](const SignatureForm& form) {
        using Algorithm = SignatureForm::Algorithm;
        return form.encoding == SignatureForm::Encoding::hex && form.algorithm != Algorithm::equality &&
               form.algorithm != Algorithm::ed25519 && form.secret_encoding == SignatureForm::Encoding::plain;
    };
    const bool is_plain = scheme.layout == Scheme::Layout::single && scheme.message == "{body}" && !scheme.time &&
                          scheme.forms.size() == 1 && is_known(scheme.forms.front());
    return auth.secrets.size() == 1 && !auth.secrets.front().not_after && (is_plain || scheme.name == "scalr");
}

/** Of all that rules can test, webhook has these. */
void check_rule(const Rule& rule, bool has_compat, Problems& problems)
{
    for (const Rule& child : rule.rules)
        check_rule(child, has_compat, problems);
    if (rule.kind == Rule::Kind::signature && has_compat && !is_of_webhook(*rule.auth))
        problems.add(rule.origin, "a hook with compat = \"webhook\" knows signatures by one secret that does not end, "
                                  "HMAC of the body in hexadecimal digits, and those of scalr");
    if (rule.kind == Rule::Kind::signature && !has_compat && rule.auth->scheme.header.empty())
        problems.add(rule.source.origin, "only with compat = \"webhook\" a signature is anywhere but in a header");
    if (rule.kind != Rule::Kind::test && rule.kind != Rule::Kind::signature)
        return;
    check_source(rule.source, has_compat, problems);
    if (rule.kind != Rule::Kind::test)
        return;
    const bool is_comparable =
        rule.test == Rule::Test::regex || takes_networks(rule) ||
        (rule.test == Rule::Test::equals && std::holds_alternative<std::string>(rule.operands.front())) ||
        rule.test == Rule::Test::exists;
    if (has_compat && !is_comparable)
        problems.add(rule.origin,
            "a hook with compat = \"webhook\" compares with equals = \"text\", regex, exists, or in with "
            "networks");
}

/** adnanh/webhook knows none of these, and such a hook's values are extracted as it does. */
void check_plain(const Hook& hook, Problems& problems)
{
    const auto check = [&problems](const ValueSource& source) {
        if (source.kind == ValueSource::Kind::event || source.fallback || source.allow_dash ||
            source.decoding != ValueSource::Decoding::none || !source.overflow_file.empty())
            problems.add(
                source.origin, "compat = \"webhook\" takes no event, default, decode, allow_dash and overflow_file");
    };
    for (const auto& source : hook.run)
        check(source);
    for (const auto& [name, source] : hook.env)
        check(source);
    for (auto [name, source] : hook.files) {
        source.decoding = ValueSource::Decoding::none; // its base64decode, which it has for files only
        check(source);
    }
}

} // namespace

void read_compat(const Node& node, Hook& hook, Problems& problems)
{
    if (read_choice(node, "compat", dialects, problems))
        hook.webhook.emplace();
}

void read_webhook(const Node& node, Hook& hook, Problems& problems)
{
    if (!hook.webhook)
        problems.add(node.origin, "the table webhook means nothing without compat = \"webhook\"");
    WebhookCompat compat;
    if (node.type != Node::Type::table) {
        problems.add(node.origin, fmt::format("webhook must be a table, not {}", describe(node.type)));
        return;
    }
    std::vector<std::string_view> names;
    for (const auto& setting : settings()) {
        names.push_back(setting.name);
        if (const auto* const written = node.find(setting.name))
            setting.read(written->value, compat, problems);
    }
    for (const auto& written : node.members)
        if (std::ranges::find(names, written.key) == names.end())
            problems.add(written.origin,
                fmt::format("unknown key \"{}\" in webhook{}", written.key, suggest(written.key, names)));
    if (hook.webhook)
        hook.webhook = std::move(compat);
}

std::string write_webhook(const Hook& hook)
{
    const WebhookCompat compat = hook.webhook.value_or(WebhookCompat{});
    const WebhookCompat defaults;
    std::vector<std::string> texts;
    for (const auto& setting : settings())
        if (const auto text = setting.write(compat); text != setting.write(defaults))
            texts.push_back(fmt::format("{} = {}", setting.name, text));
    return texts.empty() ? "{}" : fmt::format("{{ {} }}", fmt::join(texts, ", "));
}

void check_compat(const Hook& hook, Problems& problems)
{
    if (hook.webhook)
        check_plain(hook, problems);
    if (hook.webhook && hook.webhook->answer_output != WebhookCompat::AnswerOutput::never &&
        hook.wait == Milliseconds::zero())
        problems.add(
            hook.origin, "answer_output wants a wait: how long a request waits for the output, \"1h\" at most");
    for (const auto& [name, source] : hook.files)
        check_source(source, hook.webhook.has_value(), problems);
    for (const auto& source : hook.run)
        check_source(source, hook.webhook.has_value(), problems);
    for (const auto& [name, source] : hook.env)
        check_source(source, hook.webhook.has_value(), problems);
    if (hook.when)
        check_rule(*hook.when, hook.webhook.has_value(), problems);
}

} // namespace belay::config
