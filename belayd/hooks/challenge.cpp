#include "belayd/hooks/challenge.hpp"

namespace belay::hooks {
namespace {

namespace json = boost::json;
using Challenge = config::Scheme::Challenge;

/** https://docs.slack.dev/reference/events/url_verification: the challenge comes back as it came. */
std::optional<Reply> answer_slack(Payload& payload)
{
    if (!payload.looks_like_json()) // a command of a user is a form
        return std::nullopt;
    const json::value* const type = payload.find("/type");
    const json::value* const challenge = payload.find("/challenge");
    if (type == nullptr || challenge == nullptr || *type != "url_verification" || !challenge->is_string())
        return std::nullopt;
    return Reply{json::serialize(json::object{{"challenge", *challenge}})};
}

/**
 * https://discord.com/developers/docs/interactions/overview: an interaction of type 1 is a PING, and so is its answer.
 * https://discord.com/developers/docs/events/webhook-events: a webhook of type 0 is one, of type 1 it has an event.
 */
std::optional<Reply> answer_discord(Payload& payload)
{
    const json::value* const type = payload.find("/type");
    if (type != nullptr && *type == 0)
        return Reply{};
    if (type != nullptr && *type == 1 && payload.find("/event") == nullptr)
        return Reply{R"({"type":1})"};
    return std::nullopt;
}

} // namespace

std::optional<std::variant<Ignored, Reply>> meet_challenge(
    Challenge challenge, const http::Request& request, Payload& payload)
{
    switch (challenge) {
    case Challenge::none:
        break;
    case Challenge::github_ping:
        if (request.field("X-GitHub-Event") == "ping")
            return Ignored{"ping"};
        break;
    case Challenge::slack_url_verification:
        return answer_slack(payload);
    case Challenge::discord_ping:
        return answer_discord(payload);
    }
    return std::nullopt;
}

} // namespace belay::hooks
