#include "http/response.hpp"

#include "http/request.hpp"

#include <boost/beast/http/status.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace belay::http {

Response json_response(int status, std::string body)
{
    return {.status = status, .content_type = "application/json", .fields = {}, .body = std::move(body)};
}

Response text_response(int status, std::string body)
{
    return {.status = status, .content_type = "text/plain; charset=utf-8", .fields = {}, .body = std::move(body)};
}

Response problem_response(int status, std::string_view detail)
{
    const boost::json::object problem{
        {"type", "about:blank"}, {"title", reason_phrase(status)}, {"status", status}, {"detail", detail}};
    return {.status = status,
        .content_type = "application/problem+json",
        .fields = {},
        .body = boost::json::serialize(problem),
        .reason = std::string{detail}};
}

Response rejection_response(const Rejection& rejection)
{
    Response response = problem_response(rejection.status, rejection.detail);
    response.fields = rejection.fields;
    response.close = true;
    return response;
}

std::string_view reason_phrase(int status) noexcept
{
    namespace beast = boost::beast::http;
    if (status == 413)
        return "Content Too Large"; // Beast knows the names of RFC 7231 for these two
    if (status == 422)
        return "Unprocessable Content";
    const beast::status known = status > 0 ? beast::int_to_status(static_cast<unsigned>(status)) : beast::status{};
    if (known == beast::status::unknown)
        return "Unknown";
    const auto phrase = beast::obsolete_reason(known);
    return {phrase.data(), phrase.size()};
}

} // namespace belay::http
