#include "belayd/ingress_answers.hpp"

#include "belayd/api/documents.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace belay {
namespace {

namespace json = boost::json;

/** Seconds.  Jobs take what they take: long enough for some to end, short enough for senders that give up soon. */
constexpr const char* queue_full_retry_after = "30";

/** Of stdout and of stderr, each, in an answer: the API has the rest. */
constexpr std::size_t largest_output = 65'536;

/** An answer about one event needs no more memory than this while it is made; it takes what it needs. */
constexpr std::size_t usual_document = 2048;

/** The first bytes, cut where a character of UTF-8 begins, so that text stays text. */
jobs::Captured first_bytes(jobs::Captured captured)
{
    std::size_t size = std::min(captured.text.size(), largest_output);
    const auto continues = [&captured](std::size_t i) { return (captured.text[i] & 0xc0) == 0x80; };
    for (int i = 0; i < 3 && size > 0 && size < captured.text.size() && continues(size); ++i)
        --size;
    captured.dropped += captured.text.size() - size;
    captured.text.resize(size);
    return captured;
}

json::object to_json(const jobs::AttemptSummary& attempt, const jobs::AttemptOutput& output)
{
    json::object object = api::to_json(attempt);
    if (attempt.outcome == jobs::Outcome::succeeded)
        object["exit_status"] = 0;
    for (const char* counted_there : {"stdout_bytes", "stdout_dropped", "stderr_bytes", "stderr_dropped"})
        object.erase(counted_there);
    api::add_stream(object, "stdout", first_bytes(output.out));
    api::add_stream(object, "stderr", first_bytes(output.err));
    return object;
}

json::object to_json(const AcceptedEvent& event, const json::storage_ptr& memory)
{
    const auto& [accepted, end] = event;
    json::object object{{{"event", to_string(accepted.event)}, {"job", to_string(accepted.job)},
                            {"state", jobs::to_string(end ? end->job.state : accepted.state)}},
        memory};
    if (accepted.duplicate)
        object["duplicate"] = true;
    if (end && !end->job.reason.empty())
        object["reason"] = api::to_json(end->job.reason);
    if (end && end->attempt)
        object["attempt"] = to_json(*end->attempt, end->output);
    return object;
}

json::object to_json(const hooks::Ignored& ignored, const json::storage_ptr& memory)
{
    return {{{"state", "ignored"}, {"reason", ignored.reason}}, memory};
}

/** Of a hook that shares its path. */
json::object of_hook(const IngressHook& hook, const json::object& object)
{
    json::object named{{{"hook", hook.config().name}}, object.storage()};
    named.insert(object.begin(), object.end());
    return named;
}

/** What became of the request at each hook that has a say. */
json::array make_list(
    const Opinions& opinions, const std::vector<AcceptedEvent>& events, const json::storage_ptr& memory)
{
    json::array list(memory); // braces would make it an element
    auto next = events.begin();
    for (const auto& [hook, decision] : opinions.list) {
        const auto* const ignored = std::get_if<hooks::Ignored>(&decision);
        json::object object = ignored != nullptr ? to_json(*ignored, memory) : to_json(*next++, memory);
        list.emplace_back(opinions.shared ? of_hook(*hook, object) : std::move(object));
    }
    return list;
}

http::Response document_response(int status, const Opinions& opinions, const std::vector<AcceptedEvent>& events)
{
    if (status == 204 || status == 205 || status == 304) // RFC 9110: without content
        return {.status = status, .content_type = {}, .fields = {}, .body = {}};
    std::array<unsigned char, usual_document> buffer;
    json::monotonic_resource memory{buffer.data(), buffer.size()};
    json::array list = make_list(opinions, events, &memory);
    if (!opinions.shared)
        return http::json_response(status, json::serialize(list.front()));
    return http::json_response(status, json::serialize(json::object{{{"events", std::move(list)}}, &memory}));
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
    return document_response(opinions.find<hooks::Ignored>()->status, opinions, {});
}

http::Response accepted_response(const Opinions& opinions, const std::vector<AcceptedEvent>& events)
{
    const bool done =
        std::ranges::all_of(events, [](const AcceptedEvent& event) { return event.accepted.duplicate || event.end; });
    return document_response(done ? 200 : 202, opinions, events);
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

http::Response passwords_busy_response()
{
    return retry_later("too many passwords are being checked; try again", unavailable_retry_after);
}

http::Response successors_response()
{
    http::Response response;
    response.left_to_successor = true;
    return response;
}

http::Response queue_full_response()
{
    return retry_later("too many jobs of this hook are waiting; try again later", queue_full_retry_after);
}

} // namespace belay
