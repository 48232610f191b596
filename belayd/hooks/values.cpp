#include "belayd/hooks/values.hpp"

#include "base/timestamp.hpp"
#include "base/utf8.hpp"
#include "belayd/hooks/form.hpp"
#include "http/chars.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

namespace belay::hooks {
namespace {

namespace json = boost::json;
using config::ValueSource;

/** Compact JSON; numbers as people write them (Boost.JSON writes 1.5 as 1.5E0). */
void append_json(std::string& text, const json::value& value) // no deeper than a Payload
{
    if (const auto* object = value.if_object()) {
        char separator = '{';
        for (const auto& member : *object) {
            text += separator;
            text += json::serialize(member.key());
            text += ':';
            append_json(text, member.value());
            separator = ',';
        }
        text += object->empty() ? "{}" : "}";
    } else if (const auto* array = value.if_array()) {
        char separator = '[';
        for (const auto& element : *array) {
            text += separator;
            append_json(text, element);
            separator = ',';
        }
        text += array->empty() ? "[]" : "]";
    } else if (const auto* number = value.if_double()) {
        if (!std::isfinite(*number)) // 1e400 was read so; what it was is gone
            throw MalformedPayload{"a number in the body is beyond what IEEE 754 holds in 64 bits"};
        text += fmt::format("{}", *number);
    } else {
        text += json::serialize(value);
    }
}

/** What is in a form may be any bytes, what is JSON may not. */
std::string make_json(const json::value& value)
{
    std::string text;
    append_json(text, value);
    return is_valid_utf8(text) ? text : replace_invalid_utf8(text);
}

Value make_value(const json::value& value)
{
    if (const auto* string = value.if_string())
        return {Value::Type::text, {string->data(), string->size()}};
    const auto type = value.is_number() ? Value::Type::number
                      : value.is_bool() ? Value::Type::boolean
                      : value.is_null() ? Value::Type::null
                                        : Value::Type::composite;
    return {type, make_json(value)};
}

bool is_credential_in(const config::Rule& rule, std::string_view field_name) // no deeper than config::max_rule_depth
{
    return (rule.auth && is_credential(field_name, *rule.auth)) ||
           std::ranges::any_of(
               rule.rules, [field_name](const config::Rule& part) { return is_credential_in(part, field_name); });
}

bool is_secret_in(const config::Rule& rule, std::string_view field_name) noexcept // likewise
{
    return (rule.auth && is_secret(field_name, *rule.auth)) ||
           std::ranges::any_of(
               rule.rules, [field_name](const config::Rule& part) { return is_secret_in(part, field_name); });
}

/** A JSON object of the first value of each name. */
class FirstValues {
public:
    void add(std::string_view name, std::string_view value)
    {
        object_.emplace(replace_invalid_utf8(name), replace_invalid_utf8(value)); // leaves a name that is there
    }

    [[nodiscard]] Value make() const { return {Value::Type::composite, json::serialize(object_)}; }

private:
    json::object object_;
};

/** @throws MalformedPayload */
std::vector<FormField> parse_query(std::string_view query)
{
    auto parameters = parse_form(query, std::string_view::npos); // bounded by the length of a target
    if (!parameters)
        throw MalformedPayload{"the query string is malformed"};
    return std::move(*parameters);
}

} // namespace

bool is_secret(std::string_view field_name, const config::Auth& auth) noexcept
{
    static constexpr auto always =
        std::to_array<std::string_view>({"authorization", "cookie", "proxy-authorization", "x-gitlab-token"});
    const auto is_sent = [](const config::SignatureForm& form) {
        return form.algorithm == config::SignatureForm::Algorithm::equality;
    };
    return std::ranges::any_of(
               always, [field_name](std::string_view name) { return http::is_same_name(field_name, name); }) ||
           (!auth.anybody && std::ranges::any_of(auth.scheme.forms, is_sent) &&
               http::is_same_name(field_name, auth.scheme.header));
}

bool is_secret(std::string_view field_name, const config::Hook& hook) noexcept
{
    return is_secret(field_name, hook.auth) || (hook.when && is_secret_in(*hook.when, field_name));
}

std::string describe_withheld(std::string_view field_name)
{
    return fmt::format("belayd keeps no {}, since it holds a secret", field_name);
}

bool is_credential(std::string_view field_name, const config::Auth& auth) noexcept
{
    return is_secret(field_name, auth) || (!auth.anybody && http::is_same_name(field_name, auth.scheme.header));
}

std::optional<Value> RequestValues::find(const ValueSource& source)
{
    switch (source.kind) {
    case ValueSource::Kind::literal:
        return Value{Value::Type::text, source.text};
    case ValueSource::Kind::payload:
        return find_in_payload(source.text);
    case ValueSource::Kind::header:
        if (const auto value = request_.field(source.text))
            return Value{Value::Type::text, std::string{*value}};
        return std::nullopt;
    case ValueSource::Kind::query:
        return find_in_query(source.text);
    case ValueSource::Kind::request:
        return find_in_request(source.text);
    case ValueSource::Kind::dotted_path:
    case ValueSource::Kind::event:
        break;
    }
    return std::nullopt;
}

std::optional<Value> RequestValues::find_in_payload(const std::string& pointer)
{
    const json::value* const value = payload_.find(pointer);
    return value != nullptr ? std::optional{make_value(*value)} : std::nullopt;
}

std::optional<Value> RequestValues::find_in_query(std::string_view name) const
{
    for (auto& parameter : parse_query(request_.query))
        if (parameter.name == name)
            return Value{Value::Type::text, std::move(parameter.value)};
    return std::nullopt;
}

std::optional<Value> RequestValues::find_in_request(std::string_view part) const
{
    if (part == "headers")
        return fields();
    if (part == "query")
        return parameters();
    std::string_view text = request_.method;
    if (part == "path")
        text = request_.path;
    else if (part == "remote_address")
        text = client_address_;
    else if (part == "body")
        text = request_.body;
    return Value{Value::Type::text, std::string{text}};
}

/** By names in lower case: a proxy may change theirs. */
Value RequestValues::fields() const
{
    FirstValues values;
    for (const http::Field& field : request_.fields)
        if (!is_credential(field.name, auth_) && (when_ == nullptr || !is_credential_in(*when_, field.name)))
            values.add(http::to_lower(field.name), field.value);
    return values.make();
}

Value RequestValues::parameters() const
{
    FirstValues values;
    for (const auto& parameter : parse_query(request_.query))
        values.add(parameter.name, parameter.value);
    return values.make();
}

EventIdentity make_event_identity()
{
    const auto now = std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
    return {make_uuid_v7(), make_uuid_v7(), now};
}

std::optional<Value> EventValues::find(const ValueSource& source)
{
    if (source.kind != ValueSource::Kind::event)
        return request_.find(source);
    if (source.text == "id")
        return Value{Value::Type::text, to_string(identity_.event)};
    if (source.text == "job")
        return Value{Value::Type::text, to_string(identity_.job)};
    if (source.text == "hook")
        return Value{Value::Type::text, std::string{hook_}};
    if (source.text == "received")
        return Value{Value::Type::text, format_timestamp(identity_.received)};
    return delivery_id_ ? std::optional{Value{Value::Type::text, *delivery_id_}} : std::nullopt;
}

} // namespace belay::hooks
