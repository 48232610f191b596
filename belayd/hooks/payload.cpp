#include "belayd/hooks/payload.hpp"

#include "belayd/hooks/form.hpp"
#include "belayd/hooks/media_type.hpp"
#include "belayd/hooks/multipart.hpp"

#include <fmt/format.h>

namespace belay::hooks {
namespace {

namespace json = boost::json;

constexpr unsigned max_json_depth = 32;

/** Who can guess where an object will lie in memory can choose keys that all collide: to insert one is to see all. */
constexpr std::size_t max_members = 2'000;

/** Whether a text begins as an object or an array does. */
bool begins_as_json(std::string_view text) noexcept
{
    const auto begin = text.find_first_not_of(" \t\r\n");
    return begin != std::string_view::npos && (text[begin] == '{' || text[begin] == '[');
}

/** Whether an object of a JSON text has more members than max_members; of what is no JSON the parser tells. */
bool has_large_object(std::string_view text) noexcept
{
    constexpr std::string_view shortest_member = "\"\":0,";
    if (text.size() <= max_members * shortest_member.size())
        return false;
    std::array<std::size_t, max_json_depth + 1> members{}; // at each level
    std::size_t level = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '"') {
            for (++i; i < text.size() && text[i] != '"'; ++i)
                i += text[i] == '\\' ? 1 : 0;
        } else if (c == '{' || c == '[') {
            if (++level == members.size())
                return false; // too deep
            members[level] = 0;
        } else if (c == '}' || c == ']') {
            level -= level > 0 ? 1 : 0;
        } else if (c == ':' && ++members[level] > max_members) {
            return true;
        }
    }
    return false;
}

} // namespace

bool Payload::looks_like_json() const noexcept
{
    return begins_as_json(body_);
}

const json::value* Payload::find(std::string_view pointer)
{
    boost::system::error_code missing;
    return parsed().find_pointer({pointer.data(), pointer.size()}, missing);
}

const json::value& Payload::parsed()
{
    return value_ ? *value_ : value_.emplace(parse());
}

json::value Payload::parse()
{
    if (looks_like_json() || content_type_.empty())
        return parse_json(body_);
    const auto type = parse_parameterised_word(content_type_);
    if (type && type->word == "application/x-www-form-urlencoded")
        return parse_url_encoded();
    if (!type || type->word != "multipart/form-data")
        return parse_json(body_);
    const std::string* const boundary = type->find("boundary");
    if (boundary == nullptr)
        throw MalformedPayload{"the content type multipart/form-data names no boundary"};
    return parse_multipart_form(*boundary);
}

json::value Payload::parse_json(std::string_view text)
{
    if (has_large_object(text))
        throw MalformedPayload{fmt::format("the body has an object of more than {} members", max_members)};
    json::parse_options options;
    options.max_depth = max_json_depth;
    boost::system::error_code error;
    json::value value = json::parse({text.data(), text.size()}, error, &memory_, options);
    if (error == json::error::too_deep)
        throw MalformedPayload{fmt::format("the body is nested more than {} levels deep", max_json_depth)};
    if (error)
        throw MalformedPayload{"the body is not JSON: let the sender use the content type application/json"};
    return value;
}

json::value Payload::parse_url_encoded()
{
    const auto fields = parse_form(body_, max_form_fields + 1);
    if (!fields)
        throw MalformedPayload{"the body is not application/x-www-form-urlencoded: a character in it must be "
                               "percent-encoded"};
    boost::system::error_code error;
    json::value scalar = json::parse({body_.data(), body_.size()}, error, &memory_);
    if (!error) // a number, true, false or null, which no sender means as a field's name
        return scalar;
    if (fields->size() > max_form_fields)
        throw MalformedPayload{fmt::format("the form has more than {} fields", max_form_fields)};
    json::object form{&memory_};
    for (const auto& [name, value] : *fields)
        form.emplace(name, value); // leaves a name that is there
    return unwrap(std::move(form));
}

json::value Payload::parse_multipart_form(std::string_view boundary)
{
    json::object form{&memory_};
    for (const auto& [name, content] : parse_multipart(body_, boundary))
        form.emplace(name, json::string_view{content.data(), content.size()});
    return unwrap(std::move(form));
}

/** https://docs.github.com/en/webhooks/webhook-events-and-payloads: the form's only field. */
json::value Payload::unwrap(json::object form)
{
    const json::value* const wrapped = form.size() == 1 ? form.if_contains("payload") : nullptr;
    if (wrapped != nullptr && begins_as_json(wrapped->get_string()))
        return parse_json(wrapped->get_string());
    return form;
}

} // namespace belay::hooks
