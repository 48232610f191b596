#include "belayd/hooks/webhook_request.hpp"

#include "belayd/config/checks.hpp"
#include "belayd/hooks/webhook_form.hpp"

#include <boost/beast/core/string.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace belay::hooks {
namespace {

using config::ValueSource;
using SourceKind = ValueSource::Kind;

WebhookRequest::LookedUp in(const GoValue& value, std::string_view path)
{
    const Found found = find_go_path(path, value);
    return {found.walk, found.walk == Walk::found ? to_go_text(*found.value) : ""};
}

GoValue null_map()
{
    return {.kind = GoValue::Kind::object, .is_null_map = true, .members = {}};
}

bool is_go_space(char c)
{
    const auto byte = static_cast<unsigned char>(c);
    return byte == ' ' || (byte >= '\t' && byte <= '\r') || byte == 0x85 || byte == 0xa0; // as Latin-1
}

} // namespace

std::string canonical_header_name(std::string_view name)
{
    std::string canonical{name};
    if (!config::fault_in_header_name(name).empty())
        return canonical;
    bool is_first = true;
    for (char& c : canonical) {
        if (is_first && c >= 'a' && c <= 'z')
            c = static_cast<char>(c - 32);
        else if (!is_first && c >= 'A' && c <= 'Z')
            c = static_cast<char>(c + 32);
        is_first = c == '-';
    }
    return canonical;
}

WebhookRequest::WebhookRequest(const http::Request& request, const config::WebhookCompat& compat)
    : request_(request), body_(request.body)
{
    read_headers();
    GoQuery query = parse_go_query(request.query);
    query_ = std::move(query.values);
    is_query_sound_ = query.is_sound;
    read_payload(compat);
    for (const ValueSource& source : compat.json_parameters)
        parse_parameter(source);
}

void WebhookRequest::read_headers()
{
    std::vector<GoValue::Member> members;
    for (auto field = request_.fields.rbegin(); field != request_.fields.rend(); ++field) // the first one counts
        if (!boost::beast::iequals(field->name, "Host") && !boost::beast::iequals(field->name, "Transfer-Encoding") &&
            !boost::beast::iequals(field->name, "Trailer"))
            members.push_back({canonical_header_name(field->name), make_go_text(std::string{field->value})});
    headers_ = make_go_object(std::move(members));
}

void WebhookRequest::read_payload(const config::WebhookCompat& compat)
{
    const std::string_view type = compat.content_type.empty() ? request_.field("Content-Type").value_or("")
                                                              : std::string_view{compat.content_type};
    const auto is = [type](std::string_view part) { return type.find(part) != std::string_view::npos; };
    const bool is_multipart = type.starts_with("multipart/form-data;");
    if (is_multipart)
        body_ = {};
    if (is("json")) {
        read_json();
    } else if (is("x-www-form-urlencoded")) {
        if (GoQuery form = parse_go_query(body_); form.is_sound)
            payload_ = std::move(form.values);
    } else if (is("xml")) {
        is_xml_ = true;
    } else if (is_multipart) {
        read_multipart(compat);
    }
}

void WebhookRequest::read_json()
{
    const auto first = std::ranges::find_if_not(body_, is_go_space);
    auto value = parse_go_json(body_);
    if (!value)
        return;
    if (first != body_.end() && *first == '[') {
        payload_ = make_go_object({});
        payload_.members.push_back({"root", std::move(*value)});
    } else if (value->kind == GoValue::Kind::object) {
        payload_ = std::move(*value);
    }
}

void WebhookRequest::read_multipart(const config::WebhookCompat& compat)
{
    const auto parts = parse_go_multipart(request_.body, request_.field("Content-Type").value_or(""));
    if (!parts || !is_query_sound_)
        throw WebhookFailure{"Error occurred while parsing multipart form."};
    std::vector<GoValue::Member> fields;
    std::map<std::string_view, const GoPart*> files; // the first of a name, which hides others also where it is no JSON
    for (const GoPart& part : *parts)
        if (part.is_file)
            files.emplace(part.name, &part);
        else
            fields.push_back({part.name, make_go_text(part.content)});
    std::ranges::reverse(fields); // the first of a name counts …
    for (const auto& [name, part] : files) {
        const bool is_wanted = std::ranges::any_of(compat.json_parameters, [wanted = name](const ValueSource& source) {
            return source.kind == SourceKind::dotted_path && source.text == wanted;
        });
        if (!is_wanted && !part->is_json)
            continue;
        auto value = parse_go_json(part->content);
        const bool is_object = value && value->kind == GoValue::Kind::object;
        fields.push_back({std::string{name}, is_object ? std::move(*value) : null_map()}); // … but files above all
    }
    if (!fields.empty())
        payload_ = make_go_object(std::move(fields));
}

void WebhookRequest::parse_parameter(const ValueSource& source)
{
    const LookedUp found = look_up(source);
    if (found.walk != Walk::found)
        return;
    auto value = parse_go_json(found.text);
    if (!value || (value->kind != GoValue::Kind::object && value->kind != GoValue::Kind::null))
        return;
    if (value->kind == GoValue::Kind::null)
        value = null_map();
    if (source.text.find('.') != std::string::npos)
        throw WebhookFailure{""}; // webhook panics
    GoValue& values = source.kind == SourceKind::header  ? headers_
                      : source.kind == SourceKind::query ? query_
                                                         : payload_;
    if (GoValue* const place =
            values.find(source.kind == SourceKind::header ? canonical_header_name(source.text) : source.text))
        *place = std::move(*value);
}

WebhookRequest::LookedUp WebhookRequest::look_up(const ValueSource& source) const
{
    if (is_xml_ && (source.kind == SourceKind::dotted_path || source.kind == SourceKind::payload))
        throw MalformedPayload{"XML is not read"};
    switch (source.kind) {
    case SourceKind::literal:
        return {Walk::found, source.text};
    case SourceKind::dotted_path:
        return in(payload_, source.text);
    case SourceKind::payload:
        return {Walk::found, to_go_json(payload_)};
    case SourceKind::header:
        return in(headers_, canonical_header_name(source.text));
    case SourceKind::query:
        return in(query_, source.text);
    case SourceKind::request:
        return look_up_in_request(source.text);
    case SourceKind::event:
        break;
    }
    return {};
}

WebhookRequest::LookedUp WebhookRequest::look_up_in_request(std::string_view part) const
{
    if (part == "method")
        return {Walk::found, std::string{request_.method}};
    if (part == "remote_address") {
        const auto& [address, port, loopback] = *request_.peer;
        const bool is_v6 = address.find(':') != std::string::npos;
        return {Walk::found, fmt::format("{}{}{}:{}", is_v6 ? "[" : "", address, is_v6 ? "]" : "", port)};
    }
    if (part == "body")
        return {Walk::found, std::string{body_}};
    if (part == "path")
        return {Walk::found, std::string{request_.path}};
    return {Walk::found, to_go_json(part == "headers" ? headers_ : query_)};
}

std::optional<Value> WebhookRequest::find(const ValueSource& source)
{
    LookedUp found = look_up(source);
    if (found.walk != Walk::found)
        return std::nullopt;
    return Value{Value::Type::text, std::move(found.text)};
}

} // namespace belay::hooks
