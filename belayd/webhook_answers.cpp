#include "belayd/webhook_answers.hpp"

#include <string>
#include <utility>

namespace belay {
namespace {

const Opinion* find_compatible(const Opinions& opinions)
{
    if (opinions.shared || opinions.list.size() != 1 || !opinions.list.front().hook->config().webhook)
        return nullptr;
    return &opinions.list.front();
}

http::Response text_response(unsigned status, const std::string& text)
{
    if (status == 204 || status == 304) // RFC 9110: without content
        return {.status = static_cast<int>(status), .content_type = {}, .fields = {}, .body = {}};
    auto response = http::text_response(static_cast<int>(status), text);
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
    const Opinion* const opinion = find_compatible(opinions);
    if (opinion == nullptr)
        return std::nullopt;
    const auto& compat = *opinion->hook->config().webhook;
    auto response = text_response(compat.success_status, compat.response_message);
    for (const auto& [name, value] : compat.response_headers)
        response.fields.emplace_back(name, value);
    return response;
}

} // namespace belay
