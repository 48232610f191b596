#include "belayd/hooks/hook_table.hpp"

#include "belayd/config/load.hpp"
#include "belayd/hooks/extract.hpp"
#include "belayd/hooks/rule.hpp"
#include "belayd/hooks/verifier.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

namespace belay::hooks {
namespace {

bool is_delivery_id(std::string_view text) noexcept
{
    return !text.empty() && text.size() <= 255 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

/** @throws MalformedPayload where what is there is no id: to go on without would run a repeated delivery again */
std::optional<std::string> id_in(Payload& payload, std::string_view pointer)
{
    const boost::json::value* const value = payload.find(pointer);
    if (value == nullptr)
        return std::nullopt;
    if (const auto* const text = value->if_string())
        return std::string{*text};
    if (value->is_int64() || value->is_uint64())
        return boost::json::serialize(*value);
    throw MalformedPayload{fmt::format("{} of the body is neither text nor an integer", pointer)};
}

/** @throws config::ConfigError with every secret's fault at once */
std::unique_ptr<const Verifier> make_verifier(const config::Hook& hook, const std::string& config_directory)
{
    if (hook.auth.anybody)
        return nullptr;
    std::vector<Verifier::Key> keys;
    std::vector<config::Diagnostic> diagnostics;
    for (const auto& source : hook.auth.secrets) {
        try {
            keys.push_back({load_key(hook.auth.scheme, source, config_directory), source.not_after});
        } catch (const std::runtime_error& error) {
            diagnostics.push_back(config::make_diagnostic(source.origin, error.what()));
        }
    }
    if (!diagnostics.empty())
        throw config::ConfigError{std::move(diagnostics)};
    return std::make_unique<const Verifier>(hook.auth.scheme, std::move(keys));
}

} // namespace

Hook::Hook(config::Hook hook, const std::string& config_directory)
    : config_(std::move(hook)), verifier_(make_verifier(config_, config_directory)),
      when_(config_.when ? std::make_unique<const Matcher>(*config_.when) : nullptr)
{
}

Hook::~Hook() = default;

Judgement Hook::decide(const Input& input) const
{
    Verifier::Verdict verdict{.authentic = true};
    if (verifier_)
        verdict = verifier_->verify(input.request, input.now);
    if (!verdict.authentic)
        return {Refusal{401, std::move(verdict.why_not)}, false, verdict.key};
    Payload payload{input.request.body, input.request.field("Content-Type").value_or("")};
    try {
        return {judge(input, payload), true, verdict.key};
    } catch (const MalformedPayload& malformed) {
        return {Refusal{400, malformed.what()}, true, verdict.key};
    }
}

/** An authentic request. */
Decision Hook::judge(const Input& input, Payload& payload) const
{
    const http::Request& request = input.request;
    using Challenge = config::Scheme::Challenge;
    if (request.body.size() > config_.max_body) // of a path that hooks share, which admits what the widest takes
        return Refusal{413, "the body is larger than this hook takes"};
    const auto challenge = verifier_ ? verifier_->scheme().challenge : Challenge::github_ping;
    if (auto answer = meet_challenge(challenge, request, payload))
        return std::visit([](auto& it) -> Decision { return std::move(it); }, *answer);
    RequestValues values{request, input.client_address, payload, config_.auth};
    if (when_)
        if (const auto mismatch = when_->find_mismatch(values))
            return Ignored{why_ignored(*mismatch)};
    auto extracted = extract(config_, values);
    if (auto* const refusal = std::get_if<Refusal>(&extracted))
        return std::move(*refusal);
    DeliveryId id = delivery_id(request, payload);
    if (id.text && !is_delivery_id(*id.text)) // to go on without would run a repeated delivery again
        return Refusal{400, fmt::format("{} is not 1 to 255 bytes of visible ASCII", id.where)};
    return Event{std::get<Invocation>(std::move(extracted)), std::move(id.text)};
}

/** What a rule compares with may be all that keeps strangers out: a token in the query. */
std::string Hook::why_ignored(std::string_view mismatch) const
{
    return verifier_ ? fmt::format("when: {}", mismatch) : "the rules of this hook (when) do not match";
}

Hook::DeliveryId Hook::delivery_id(const http::Request& request, Payload& payload) const
{
    std::string_view header = "X-GitHub-Delivery";
    std::string_view pointer;
    if (verifier_) {
        header = verifier_->scheme().delivery_header;
        pointer = verifier_->scheme().delivery_pointer;
    }
    if (const auto id = request.field(header))
        return {header, std::string{*id}};
    if (!pointer.empty() && payload.looks_like_json())
        if (auto id = id_in(payload, pointer)) // not in a form: a command of a Slack user
            return {pointer, std::move(id)};
    constexpr std::string_view any_sender = "Idempotency-Key";
    if (const auto id = request.field(any_sender))
        return {any_sender, std::string{*id}};
    return {};
}

std::string Hook::challenge() const
{
    if (!verifier_)
        return {};
    const config::Scheme& scheme = verifier_->scheme();
    if (scheme.layout != config::Scheme::Layout::credentials)
        return scheme.header;
    return scheme.forms.front().label;
}

HookTable::HookTable(const config::Config& config)
{
    const auto directory = std::filesystem::path{config.file}.parent_path().string();
    std::vector<config::Diagnostic> diagnostics;
    for (const auto& [name, hook] : config.hooks) {
        try {
            hooks_.emplace(name, std::make_unique<const Hook>(hook, directory));
        } catch (const config::ConfigError& error) {
            diagnostics.insert(diagnostics.end(), error.diagnostics().begin(), error.diagnostics().end());
        }
    }
    if (!diagnostics.empty())
        throw config::ConfigError{std::move(diagnostics)};
}

const Hook* HookTable::find(std::string_view name) const noexcept
{
    const auto found = hooks_.find(name);
    return found == hooks_.end() ? nullptr : found->second.get();
}

} // namespace belay::hooks
