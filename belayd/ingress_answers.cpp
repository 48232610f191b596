#include "belayd/ingress_answers.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <utility>

namespace belay {
namespace {

namespace json = boost::json;

/** Seconds.  Jobs take what they take: long enough for some to end, short enough for senders that give up soon. */
constexpr const char* queue_full_retry_after = "30";

json::object to_json(const jobs::Accepted& accepted)
{
    json::object object{{"event", to_string(accepted.event)}, {"job", to_string(accepted.job)},
        {"state", jobs::to_string(accepted.state)}};
    if (accepted.duplicate)
        object["duplicate"] = true;
    return object;
}

json::object to_json(const hooks::Ignored& ignored)
{
    return {{"state", "ignored"}, {"reason", ignored.reason}};
}

/** Of a hook that shares its path. */
json::object of_hook(const IngressHook& hook, const json::object& object)
{
    json::object named{{"hook", hook.config().name}};
    named.insert(object.begin(), object.end());
    return named;
}

/** What became of the request at each hook that has a say. */
json::array make_list(const Opinions& opinions, const std::vector<jobs::Accepted>& accepted)
{
    json::array list;
    auto next = accepted.begin();
    for (const auto& [hook, decision] : opinions.list) {
        const auto* const ignored = std::get_if<hooks::Ignored>(&decision);
        const json::object object = ignored != nullptr ? to_json(*ignored) : to_json(*next++);
        list.emplace_back(opinions.shared ? of_hook(*hook, object) : object);
    }
    return list;
}

http::Response document_response(int status, const json::array& events, bool shared)
{
    if (status == 204 || status == 205 || status == 304) // RFC 9110: without content
        return {.status = status, .content_type = {}, .fields = {}, .body = {}};
    return http::json_response(
        status, shared ? json::serialize(json::object{{"events", events}}) : json::serialize(events.front()));
}

http::Response retry_later(std::string_view detail, const char* seconds)
{
    http::Response response = http::problem_response(503, detail);
    response.fields.emplace_back("Retry-After", seconds);
    return response;
}

/** RFC 9110 §15.5.2 wants one; few senders' schemes are in the registry. */
std::string challenges(const Opinions& opinions)
{
    std::vector<std::string> different;
    for (const auto& opinion : opinions.list)
        if (std::string challenge = opinion.hook->hook.challenge();
            !challenge.empty() && std::find(different.begin(), different.end(), challenge) == different.end())
            different.push_back(std::move(challenge));
    std::string text;
    for (const auto& challenge : different)
        text += (text.empty() ? "" : ", ") + challenge;
    return text;
}

} // namespace

http::Response unauthentic_response(const Opinions& opinions)
{
    const auto& first = std::get<hooks::Refusal>(opinions.list.front().decision);
    const bool alike = std::ranges::all_of(opinions.list,
        [&first](const Opinion& opinion) { return std::get<hooks::Refusal>(opinion.decision).status == first.status; });
    const int status = alike ? first.status : 401;
    http::Response response = http::problem_response(
        status, opinions.shared ? "the request is authentic to no hook of this path" : first.detail);
    if (status == 401)
        response.fields.emplace_back("WWW-Authenticate", challenges(opinions));
    return response;
}

http::Response refused_response(const hooks::Refusal& refusal)
{
    return http::problem_response(refusal.status, refusal.detail);
}

http::Response ignored_response(const Opinions& opinions)
{
    return document_response(opinions.find<hooks::Ignored>()->status, make_list(opinions, {}), opinions.shared);
}

http::Response accepted_response(const Opinions& opinions, const std::vector<jobs::Accepted>& accepted)
{
    const bool known = std::ranges::all_of(accepted, &jobs::Accepted::duplicate);
    return document_response(known ? 200 : 202, make_list(opinions, accepted), opinions.shared);
}

http::Response reply_response(const hooks::Reply& reply)
{
    if (!reply.json.empty())
        return http::json_response(200, reply.json);
    return {.status = 204, .content_type = {}, .fields = {{"Content-Type", "application/json"}}, .body = {}};
}

http::Response unavailable_response()
{
    return retry_later(unavailable_detail, unavailable_retry_after);
}

http::Response queue_full_response()
{
    return retry_later("too many jobs of this hook are waiting; try again later", queue_full_retry_after);
}

} // namespace belay
