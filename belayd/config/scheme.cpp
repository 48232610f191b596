#include "belayd/config/scheme.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace belay::config {
namespace {

using Algorithm = SignatureForm::Algorithm;
using Encoding = SignatureForm::Encoding;
using Layout = Scheme::Layout;
using Challenge = Scheme::Challenge;

SignatureForm hmac_sha256_hex(std::string label)
{
    return {Algorithm::hmac_sha256, Encoding::hex, std::move(label), "", Encoding::plain};
}

SignatureForm token(std::string label)
{
    return {Algorithm::equality, Encoding::plain, std::move(label), "", Encoding::plain};
}

SignedTime unix_seconds_in(std::string header)
{
    return {.header = std::move(header)};
}

/** https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
SignatureForm standard_hmac(std::string secret_prefix)
{
    constexpr std::size_t least = 24;
    constexpr std::size_t most = 75; // 64 by the specification, what Svix takes
    return {Algorithm::hmac_sha256, Encoding::base64, "v1", std::move(secret_prefix), Encoding::base64, least, most};
}

SignatureForm standard_ed25519()
{
    SignatureForm form{Algorithm::ed25519, Encoding::base64, "v1a", "whpk_", Encoding::base64};
    form.private_prefix = "whsk_";
    return form;
}

Scheme standard_webhooks(std::string name, const std::string& prefix)
{
    return {.name = std::move(name),
        .header = prefix + "signature",
        .layout = Layout::list,
        // The order matters: a secret is of the first form whose prefix it has, and "whsec_" may be left off.
        .forms = {standard_ed25519(), standard_hmac("whsec_"), standard_hmac("")},
        .message = "{id}.{timestamp}.{body}",
        .time = unix_seconds_in(prefix + "timestamp"),
        .id_header = prefix + "id",
        .delivery_header = prefix + "id"};
}

/** The same with secrets of GitLab's form only. */
Scheme gitlab_signing()
{
    Scheme scheme = standard_webhooks("gitlab_signing", "webhook-");
    scheme.forms = {standard_hmac("whsec_")};
    scheme.event_header = "X-Gitlab-Event";
    scheme.usual_event = "Push Hook";
    return scheme;
}

std::vector<Scheme> make_schemes()
{
    return {
        // https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
        {.name = "github",
            .header = "X-Hub-Signature-256",
            .forms = {hmac_sha256_hex("sha256=")},
            .delivery_header = "X-GitHub-Delivery",
            .event_header = "X-GitHub-Event",
            .usual_event = "push",
            .challenge = Challenge::github_ping},
        // https://docs.gitea.com/usage/webhooks
        {.name = "gitea",
            .header = "X-Gitea-Signature",
            .forms = {hmac_sha256_hex("")},
            .delivery_header = "X-Gitea-Delivery",
            .event_header = "X-Gitea-Event",
            .usual_event = "push"},
        // https://forgejo.org/docs/latest/user/webhooks/
        {.name = "forgejo",
            .header = "X-Forgejo-Signature",
            .forms = {hmac_sha256_hex("")},
            .delivery_header = "X-Forgejo-Delivery",
            .event_header = "X-Forgejo-Event",
            .usual_event = "push"},
        // https://gogs.io/advancing/webhooks
        {.name = "gogs",
            .header = "X-Gogs-Signature",
            .forms = {hmac_sha256_hex("")},
            .delivery_header = "X-Gogs-Delivery",
            .event_header = "X-Gogs-Event",
            .usual_event = "push"},
        // https://docs.gitlab.com/user/project/integrations/webhooks/: the secret token …
        {.name = "gitlab",
            .header = "X-Gitlab-Token",
            .forms = {token("")},
            .delivery_header = "Idempotency-Key",
            .event_header = "X-Gitlab-Event",
            .usual_event = "Push Hook"},
        // … and the signing token, the same for each attempt at a delivery as its Idempotency-Key
        gitlab_signing(),
        // https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/
        {.name = "bitbucket",
            .header = "X-Hub-Signature",
            .forms = {hmac_sha256_hex("sha256=")},
            .delivery_header = "X-Request-UUID",
            .event_header = "X-Event-Key",
            .usual_event = "repo:push"},
        standard_webhooks("standard_webhooks", "webhook-"),
        standard_webhooks("svix", "svix-"), // https://docs.svix.com/receiving/verifying-payloads/how-manual
        // https://docs.stripe.com/webhooks/signature: the whole secret is the key, with its "whsec_"
        {.name = "stripe",
            .header = "Stripe-Signature",
            .layout = Layout::pairs,
            .forms = {hmac_sha256_hex("v1")},
            .message = "{timestamp}.{body}",
            .time = SignedTime{.label = "t"},
            .delivery_pointer = "/id"},
        // https://docs.slack.dev/authentication/verifying-requests-from-slack
        {.name = "slack",
            .header = "X-Slack-Signature",
            .forms = {hmac_sha256_hex("v0=")},
            .message = "v0:{timestamp}:{body}",
            .time = unix_seconds_in("X-Slack-Request-Timestamp"),
            .delivery_pointer = "/event_id",
            .challenge = Challenge::slack_url_verification},
        // https://discord.com/developers/docs/events/webhook-events, and …/docs/interactions/overview
        {.name = "discord",
            .header = "X-Signature-Ed25519",
            .forms = {{Algorithm::ed25519, Encoding::hex, "", "", Encoding::hex}},
            .message = "{timestamp}{body}",
            .time = unix_seconds_in("X-Signature-Timestamp"),
            .challenge = Challenge::discord_ping},
        // https://shopify.dev/docs/apps/build/webhooks/ignore-duplicates
        {.name = "shopify",
            .header = "X-Shopify-Hmac-SHA256",
            .forms = {{Algorithm::hmac_sha256, Encoding::base64, "", "", Encoding::plain}},
            .delivery_header = "X-Shopify-Event-Id",
            .event_header = "X-Shopify-Topic",
            .usual_event = "orders/create"},
        // https://docs.scalr.com/en/latest/webhooks.html
        {.name = "scalr",
            .header = "X-Signature",
            .forms = {{Algorithm::hmac_sha1, Encoding::hex, "", "", Encoding::plain}},
            .message = "{body}{timestamp}",
            .time = SignedTime{.header = "Date", .format = SignedTime::Format::date}},
        // RFC 6750 §2.1
        {.name = "bearer", .header = "Authorization", .layout = Layout::credentials, .forms = {token("Bearer")}},
    };
}

} // namespace

std::vector<MessagePart> parse_message(std::string_view message)
{
    using Kind = MessagePart::Kind;
    constexpr std::array<std::pair<std::string_view, Kind>, 3> places{
        {{"{body}", Kind::body}, {"{timestamp}", Kind::timestamp}, {"{id}", Kind::id}}};
    std::vector<MessagePart> parts;
    while (!message.empty()) {
        const auto place = std::ranges::find_if(places, [&](const auto& it) { return message.starts_with(it.first); });
        if (place != places.end()) {
            parts.push_back({place->second, {}});
            message.remove_prefix(place->first.size());
            continue;
        }
        if (parts.empty() || parts.back().kind != Kind::text)
            parts.emplace_back();
        parts.back().text += message.front();
        message.remove_prefix(1);
    }
    return parts;
}

std::span<const Scheme> known_schemes()
{
    static const std::vector<Scheme> made = make_schemes();
    return made;
}

const Scheme* find_scheme(std::string_view name)
{
    const auto schemes = known_schemes();
    const auto found = std::ranges::find(schemes, name, &Scheme::name);
    return found == schemes.end() ? nullptr : &*found;
}

} // namespace belay::config
