#include "belayd/hooks/extract.hpp"

#include "belayd/config/checks.hpp"

#include <boost/url/parse_query.hpp>
#include <fmt/format.h>

#include <optional>

namespace belay::hooks {
namespace {

namespace json = boost::json;
using config::ValueSource;

/** Of all arguments and variables.  Linux passes a quarter of the stack limit, 2 MiB by default: see execve(2). */
constexpr std::size_t max_invocation_bytes = 1 << 20;

/** Thrown within this file only. */
struct Refused {
    Refusal refusal;
};

[[noreturn]] void refuse(int status, std::string detail)
{
    throw Refused{{status, std::move(detail)}};
}

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
        text += fmt::format("{}", *number);
    } else {
        text += json::serialize(value);
    }
}

/** What a request offers, looked up by name. */
class Values {
public:
    Values(const http::Request& request, Payload& payload) : request_(request), payload_(payload) {}

    /** Nothing where the request has no such value. */
    std::optional<std::string> find(const ValueSource& source)
    {
        switch (source.kind) {
        case ValueSource::Kind::literal:
            return source.text;
        case ValueSource::Kind::payload:
            return find_in_payload(source.text);
        case ValueSource::Kind::header:
            if (const auto value = request_.field(source.text))
                return std::string{*value};
            return std::nullopt;
        case ValueSource::Kind::query:
            break;
        }
        return find_in_query(source.text);
    }

private:
    std::optional<std::string> find_in_payload(const std::string& pointer)
    {
        const json::value* const value = payload_.find(pointer);
        if (!value)
            return std::nullopt;
        if (const auto* string = value->if_string())
            return std::string{string->data(), string->size()};
        std::string text;
        append_json(text, *value);
        return text;
    }

    std::optional<std::string> find_in_query(std::string_view name) const
    {
        const std::string text{request_.query}; // Boost 1.81 reads on until a NUL, past the end of a view
        const auto parameters = boost::urls::parse_query(text);
        if (!parameters)
            refuse(400, "the query string is malformed");
        boost::urls::encoding_opts decoding;
        decoding.space_as_plus = true;
        for (const auto parameter : *parameters)
            if (parameter.key.decode(decoding) == name)
                return parameter.value.decode(decoding);
        return std::nullopt;
    }

    const http::Request& request_;
    Payload& payload_;
};

/** "argument 2", "variable BRANCH", and where the value comes from: all of it the operator's words. */
std::string describe(const std::string& what, const ValueSource& source)
{
    switch (source.kind) {
    case ValueSource::Kind::literal:
        break;
    case ValueSource::Kind::payload:
        return fmt::format("{}, payload \"{}\"", what, source.text);
    case ValueSource::Kind::header:
        return fmt::format("{}, header \"{}\"", what, source.text);
    case ValueSource::Kind::query:
        return fmt::format("{}, query \"{}\"", what, source.text);
    }
    return what;
}

/** Refuses what execve(2) would cut or fail on.  @param size of the whole string that is passed */
void check_text(const std::string& text, std::size_t size, const std::string& what, const ValueSource& source)
{
    if (text.find('\0') != std::string::npos)
        refuse(400, fmt::format("{} contains a NUL", describe(what, source)));
    if (size >= config::max_argument_bytes)
        refuse(413, fmt::format("{} is over {} bytes: let the command read the payload from its standard input",
                        describe(what, source), config::max_argument_bytes - 1));
}

Invocation extract_all(const config::Hook& hook, Values& values)
{
    Invocation invocation;
    std::size_t total = 0;
    for (std::size_t i = 0; i < hook.run.size(); ++i) {
        const auto& source = hook.run[i];
        const std::string what = fmt::format("argument {}", i);
        auto value = values.find(source);
        if (!value)
            refuse(422, fmt::format("{} is missing", describe(what, source)));
        check_text(*value, value->size(), what, source);
        if (source.kind != ValueSource::Kind::literal && value->starts_with('-'))
            refuse(422, fmt::format("{} begins with \"-\", which the command could take for an option", //
                            describe(what, source)));
        total += value->size() + 1;
        invocation.arguments.push_back(std::move(*value));
    }
    for (const auto& [name, source] : hook.env) {
        auto value = values.find(source);
        if (!value)
            continue;
        const auto size = name.size() + 1 + value->size();
        check_text(*value, size, "variable " + name, source);
        total += size + 1;
        invocation.environment.emplace_back(name, std::move(*value));
    }
    if (total > max_invocation_bytes)
        refuse(413, fmt::format("arguments and variables are over {} bytes together", max_invocation_bytes));
    return invocation;
}

} // namespace

std::variant<Invocation, Refusal> extract(const config::Hook& hook, const http::Request& request, Payload& payload)
{
    try {
        Values values{request, payload};
        return extract_all(hook, values);
    } catch (Refused& refused) {
        return std::move(refused.refusal);
    }
}

} // namespace belay::hooks
