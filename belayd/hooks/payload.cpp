#include "belayd/hooks/payload.hpp"

#include <fmt/format.h>

namespace belay::hooks {
namespace {

namespace json = boost::json;

constexpr unsigned max_json_depth = 32;

} // namespace

bool Payload::looks_like_json() const noexcept
{
    const auto begin = body_.find_first_not_of(" \t\r\n");
    return begin != std::string_view::npos && (body_[begin] == '{' || body_[begin] == '[');
}

const json::value* Payload::find(std::string_view pointer)
{
    boost::system::error_code missing;
    return parsed().find_pointer({pointer.data(), pointer.size()}, missing);
}

const json::value& Payload::parsed()
{
    if (value_)
        return *value_;
    json::parse_options options;
    options.max_depth = max_json_depth;
    boost::system::error_code error;
    json::value value = json::parse({body_.data(), body_.size()}, error, &memory_, options);
    if (error == json::error::too_deep)
        throw MalformedPayload{fmt::format("the body is nested more than {} levels deep", max_json_depth)};
    if (error)
        throw MalformedPayload{"the body is not JSON: let the sender use the content type application/json"};
    return value_.emplace(std::move(value));
}

} // namespace belay::hooks
