#include "belayd/hooks/judge.hpp"

#include "belayd/hooks/extract.hpp"

#include <fmt/format.h>

#include <algorithm>

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

} // namespace

Judge::Judge(const config::Hook& hook, const std::string& config_directory, Secrets secrets)
    : hook_(hook), scheme_(hook.auth.anybody ? nullptr : &hook.auth.scheme), secrets_(config::secrets_of(hook)),
      when_(hook.when ? std::make_unique<const Matcher>(
                            *hook.when, config_directory, secrets, /*first_secret=*/hook.auth.secrets.size())
                      : nullptr)
{
    for (const config::Auth& auth : config::auths_of(hook))
        if (&auth != &hook.auth)
            senders_.push_back(&auth);
}

Decision Judge::decide(const Input& input) const
{
    std::vector<SignedBy> nobody_asks;
    return decide(input, nobody_asks);
}

Decision Judge::decide(const Input& input, std::vector<SignedBy>& signed_by) const
{
    Payload payload{input.request.body, input.request.field("Content-Type").value_or("")};
    try {
        return decide(input, payload, signed_by);
    } catch (const MalformedPayload& malformed) {
        return Refusal{400, malformed.what()};
    }
}

std::optional<Trace> Judge::trace(const Input& input) const
{
    if (!when_)
        return std::nullopt;
    Payload payload{input.request.body, input.request.field("Content-Type").value_or("")};
    RequestValues values{input.request, input.client_address, payload, hook_.auth, &hook_.when.value()};
    return when_->evaluate({values, input});
}

Decision Judge::decide(const Input& input, Payload& payload, std::vector<SignedBy>& signed_by) const
{
    const http::Request& request = input.request;
    using Challenge = config::Scheme::Challenge;
    if (request.body.size() > hook_.max_body) // of a path that hooks share, which admits what the widest takes
        return Refusal{413, "the body is larger than this hook takes"};
    const auto challenge = scheme_ != nullptr ? scheme_->challenge : Challenge::github_ping;
    if (auto answer = meet_challenge(challenge, request, payload))
        return std::visit([](auto& it) -> Decision { return std::move(it); }, *answer);
    RequestValues values{request, input.client_address, payload, hook_.auth, hook_.when ? &*hook_.when : nullptr};
    if (when_)
        if (const auto mismatch = when_->find_mismatch({values, input}, signed_by))
            return Ignored{why_ignored(*mismatch), hook_.mismatch_status};
    const config::Auth* const from = sender(signed_by);
    DeliveryId id = delivery_id(from, request, payload);
    if (id.text && !is_delivery_id(*id.text)) // to go on without would run a repeated delivery again
        return Refusal{400, fmt::format("{} is not 1 to 255 bytes of visible ASCII", id.where)};
    const EventIdentity identity = input.identity ? *input.identity : make_event_identity();
    EventValues known{values, identity, hook_.name, id.text};
    auto extracted = extract(hook_, known);
    if (auto* const refusal = std::get_if<Refusal>(&extracted))
        return std::move(*refusal);
    if (id.text)
        id.text = key_of(*std::move(id.text), from);
    return Event{std::get<Invocation>(std::move(extracted)), std::move(id.text), identity};
}

/** What a rule compares with may be all that keeps strangers out: a token in the query. */
std::string Judge::why_ignored(std::string_view mismatch) const
{
    return scheme_ != nullptr ? fmt::format("when: {}", mismatch) : "the rules of this hook (when) do not match";
}

/** Who does not prove itself by `auth` may have done so by a rule: the first one that made it match. */
const config::Auth* Judge::sender(const std::vector<SignedBy>& signed_by) const noexcept
{
    if (scheme_ != nullptr)
        return &hook_.auth;
    const auto found = std::ranges::find_if(signed_by, [](const SignedBy& it) { return it.authentic && it.decides; });
    return found == signed_by.end() ? nullptr : &secrets_[found->secret].auth.get();
}

/** What repeats are known by.  Of several senders each has ids of its own: both may begin with 1. */
std::string Judge::key_of(std::string delivery_id, const config::Auth* sender) const
{
    const auto found = std::ranges::find(senders_, sender);
    if (senders_.size() < 2 || found == senders_.end())
        return delivery_id;
    return fmt::format("{}/{}", found - senders_.begin() + 1, delivery_id);
}

Judge::DeliveryId Judge::delivery_id(const config::Auth* sender, const http::Request& request, Payload& payload)
{
    std::string_view header = "X-GitHub-Delivery";
    std::string_view pointer;
    if (sender != nullptr) {
        header = sender->scheme.delivery_header;
        pointer = sender->scheme.delivery_pointer;
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

} // namespace belay::hooks
