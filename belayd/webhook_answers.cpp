#include "belayd/webhook_answers.hpp"

#include "http/chars.hpp"

#include <string>
#include <utility>

namespace belay {
namespace {

using AnswerOutput = config::WebhookCompat::AnswerOutput;

/** In webhook's words. */
constexpr const char* failed =
    "Error occurred while executing the hook's command. Please check your logs for more details.";

const Opinion* find_compatible(const Opinions& opinions)
{
    if (opinions.shared || opinions.list.size() != 1 || !opinions.list.front().hook->config().webhook)
        return nullptr;
    return &opinions.list.front();
}

const config::WebhookCompat* find_compat(const Opinions& opinions)
{
    const Opinion* const opinion = find_compatible(opinions);
    return opinion != nullptr ? &*opinion->hook->config().webhook : nullptr;
}

http::Response with_headers(const config::WebhookCompat& compat, http::Response response)
{
    const std::string* content_type = nullptr; // the last one counts
    for (const auto& [name, value] : compat.response_headers)
        if (http::is_same_name(name, "Content-Type"))
            content_type = &value;
        else
            response.fields.emplace_back(name, value);
    if (content_type != nullptr && !response.content_type.text().empty()) {
        response.content_type = {};
        response.fields.emplace_back("Content-Type", *content_type);
    }
    return response;
}

http::Response text_response(unsigned status, std::string text)
{
    if (status == 204 || status == 205 || status == 304) // RFC 9110: without content
        return {.status = static_cast<int>(status), .content_type = {}, .fields = {}, .body = {}};
    auto response = http::text_response(static_cast<int>(status), std::move(text));
    response.content_type = "text/plain; charset=utf-8";
    return response;
}

} // namespace

std::optional<http::Response> webhook_answer_at_once(const Opinions& opinions)
{
    const Opinion* const opinion = find_compatible(opinions);
    if (opinion == nullptr)
        return std::nullopt;
    if (const auto* const refusal = std::get_if<hooks::Refusal>(&opinion->decision)) {
        auto response = text_response(static_cast<unsigned>(refusal->status), refusal->detail);
        response.reason = refusal->detail;
        return response;
    }
    if (const auto* const ignored = std::get_if<hooks::Ignored>(&opinion->decision))
        return text_response(opinion->hook->config().webhook->mismatch_status, ignored->reason);
    return std::nullopt;
}

std::optional<http::Response> webhook_answer(const Opinions& opinions)
{
    const config::WebhookCompat* const compat = find_compat(opinions);
    if (compat == nullptr || compat->answer_output != AnswerOutput::never)
        return std::nullopt;
    return with_headers(*compat, text_response(compat->success_status, compat->response_message));
}

std::optional<http::Response> webhook_output_answer(const Opinions& opinions, std::vector<AcceptedEvent>& events)
{
    const config::WebhookCompat* const compat = find_compat(opinions);
    if (compat == nullptr || compat->answer_output == AnswerOutput::never)
        return std::nullopt;
    auto& end = events.front().end;
    if (!end)
        return with_headers(*compat, text_response(202, "The command has not ended yet."));
    std::string output = std::move(end->output.out.text); // and what it wrote to stderr
    const bool succeeded = end->job.state == jobs::JobState::succeeded;
    if (!succeeded && compat->answer_output != AnswerOutput::always)
        return with_headers(*compat, text_response(500, failed));
    auto response = with_headers(*compat, text_response(succeeded ? compat->success_status : 500, std::move(output)));
    if (end->output.out.dropped > 0) // its first output_limit bytes look like all
        response.fields.emplace_back("Belay-Output-Dropped", std::to_string(end->output.out.dropped));
    return response;
}

} // namespace belay
