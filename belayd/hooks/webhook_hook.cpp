#include "belayd/hooks/webhook_hook.hpp"

#include "belayd/config/checks.hpp"
#include "belayd/hooks/encoding.hpp"
#include "belayd/hooks/extract.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

namespace belay::hooks {
namespace {

/** Whether Linux passes it to a program: where not, webhook runs nothing either. */
bool can_be_passed(const std::string& text, std::size_t size)
{
    return size < config::max_argument_bytes && text.find('\0') == std::string::npos;
}

/** A missing argument is "", so that what follows keeps its place; one may begin with "-". */
std::variant<Invocation, Refusal> extract_as_webhook(const config::Hook& hook, WebhookRequest& request)
{
    const Refusal impassable{413, "An argument or a variable cannot be passed to the command."};
    Invocation invocation;
    for (const auto& source : hook.run) {
        auto value = request.find(source);
        invocation.arguments.push_back(value ? std::move(value->text) : "");
        if (!can_be_passed(invocation.arguments.back(), invocation.arguments.back().size()))
            return impassable;
    }
    for (const auto& [name, source] : hook.env) {
        auto value = request.find(source);
        if (!value)
            continue;
        if (!can_be_passed(value->text, name.size() + 1 + value->text.size()))
            return impassable;
        invocation.environment.emplace_back(name, std::move(value->text));
    }
    Bytes file_bytes = 0;
    for (const auto& [name, source] : hook.files) {
        auto value = request.find(source);
        if (!value)
            continue;
        if (source.decoding == config::ValueSource::Decoding::base64)
            value->text = from_base64(value->text).value_or(""); // webhook runs the command with what it could decode
        file_bytes += value->text.size();
        if (file_bytes > max_file_bytes)
            return impassable;
        invocation.files.emplace_back(name, std::move(value->text));
    }
    return invocation;
}

/** Why: of the first of its leaves that is. */
std::optional<std::string> find_unknown(const Trace& trace)
{
    if (trace.result != Trace::Result::unknown)
        return std::nullopt;
    for (const Trace& child : trace.children)
        if (auto why = find_unknown(child))
            return why;
    return trace.detail;
}

} // namespace

WebhookHook::WebhookHook(const config::Hook& hook, const std::string& config_directory, Signatures signatures)
    : config_(hook)
{
    if (hook.when)
        rule_.emplace(*hook.when, config_directory, hook.webhook->soft_signatures, signatures);
}

Decision WebhookHook::decide(const Input& input) const
{
    try {
        return judge(input);
    } catch (const WebhookFailure& failure) {
        return Refusal{500, failure.what()};
    } catch (const MalformedPayload& malformed) {
        return Refusal{400, malformed.what()};
    }
}

std::optional<Trace> WebhookHook::trace(const Input& input) const
{
    if (!rule_)
        return std::nullopt;
    try {
        if (!refuse_unread(input)) {
            const WebhookRequest request{input.request, *config_.webhook};
            return rule_->trace(request, input);
        }
    } catch (const WebhookFailure&) { // which decide() tells
    } catch (const MalformedPayload&) {
    }
    return rule_->unseen_trace();
}

std::optional<Refusal> WebhookHook::refuse_unread(const Input& input) const
{
    const auto& methods = config_.webhook->methods;
    if (!methods.empty() && std::ranges::find(methods, input.request.method) == methods.end())
        return Refusal{405, ""};
    if (input.request.body.size() > config_.max_body) // of a path that hooks share, which admits what the widest takes
        return Refusal{413, "The body is larger than this hook takes."};
    return std::nullopt;
}

Decision WebhookHook::judge(const Input& input) const
{
    if (auto refusal = refuse_unread(input))
        return *std::move(refusal);
    WebhookRequest request{input.request, *config_.webhook};
    if (rule_) {
        const auto [value, error] = rule_->evaluate(request, input);
        if (error == WebhookRule::Error::unknown)
            throw UnknownSignature{*find_unknown(rule_->trace(request, input))};
        if (error != WebhookRule::Error::none && error != WebhookRule::Error::missing)
            return Refusal{500, "Error occurred while evaluating hook rules."};
        if (!value)
            return Ignored{"Hook rules were not satisfied."};
    }
    auto extracted = extract_as_webhook(config_, request);
    if (auto* const refusal = std::get_if<Refusal>(&extracted))
        return std::move(*refusal);
    return Event{std::get<Invocation>(std::move(extracted)), std::nullopt};
}

} // namespace belay::hooks
