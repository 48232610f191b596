// Bodies: JSON, forms, multipart forms.  Content-Type is signed by nobody: whatever it says, a body means one thing or
// none.
#include "belayd/hooks/payload.hpp"
#include "belayd/hooks/values.hpp"
#include "belayd/hooks/webhook_form.hpp"
#include "belayd/hooks/webhook_json.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace belay::fuzz {
namespace {

namespace json = boost::json;
using config::ValueSource;

/** The whole payload, or nothing where it cannot be read. */
std::optional<json::value> read(std::string_view body, std::string_view content_type)
{
    hooks::Payload payload{body, content_type};
    try {
        const json::value* const whole = payload.find("");
        expect(whole != nullptr, "a payload that was read and is not there");
        return json::value(*whole, json::storage_ptr{}); // not in the payload's memory
    } catch (const hooks::MalformedPayload& malformed) {
        expect(*malformed.what() != '\0', "a refusal that says nothing");
        return std::nullopt;
    }
}

/** Also where a number is none to Boost.JSON, as of 0e4001, and so is not like itself. */
bool is_same(const json::value& a, const json::value& b)
{
    return a == b || json::serialize(a) == json::serialize(b);
}

/** The only one that can be said of it. */
std::string multipart_type(std::string_view body)
{
    const auto boundary = body.substr(std::min<std::size_t>(2, body.size())); // behind "--"
    return "multipart/form-data; boundary=\"" + std::string{boundary.substr(0, boundary.find("\r\n"))} + '"';
}

std::string escape(std::string_view key)
{
    std::string token;
    for (const char c : key)
        token += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
    return token;
}

void find_members(std::string_view body, std::string_view content_type, const json::value& whole)
{
    hooks::Payload payload{body, content_type};
    if (const auto* const object = whole.if_object()) {
        for (const auto& member : *object) {
            const json::value* const found = payload.find("/" + escape(member.key()));
            expect(found != nullptr && is_same(*found, member.value()), "a member that is not found",
                std::string{member.key()});
        }
    } else if (const auto* const array = whole.if_array()) {
        for (std::size_t i = 0; i < array->size(); ++i) {
            const json::value* const found = payload.find("/" + std::to_string(i));
            expect(found != nullptr && is_same(*found, (*array)[i]), "an element that is not found", std::to_string(i));
        }
    }
}

/** What arguments and variables get: always JSON that others can read. */
void pass_on(const http::Request& request, std::string_view content_type)
{
    hooks::Payload payload{request.body, content_type};
    const config::Auth auth{.anybody = true, .scheme = {}, .secrets = {}};
    hooks::RequestValues values{request, "192.0.2.1", payload, auth};
    for (const auto& source :
        {ValueSource{ValueSource::Kind::payload, "", {}}, ValueSource{ValueSource::Kind::request, "headers", {}},
            ValueSource{ValueSource::Kind::request, "query", {}}}) {
        try {
            const auto value = values.find(source);
            if (!value || value->type == hooks::Value::Type::text)
                continue;
            boost::system::error_code error;
            (void)json::parse(value->text, error);
            expect(!error, "a value that is not JSON", value->text);
        } catch (const hooks::MalformedPayload&) {
            continue;
        }
    }
}

/** Of hooks with compat = "webhook": what was read and is written again is the same. */
void read_as_go(std::string_view body, std::string_view content_type)
{
    (void)hooks::parse_go_multipart(body, content_type);
    const auto query = hooks::parse_go_query(body);
    expect(query.values.kind == hooks::GoValue::Kind::object, "a query that is no object");
    try {
        const auto value = hooks::parse_go_json(body);
        if (!value)
            return;
        const std::string text = hooks::to_go_json(*value);
        const auto again = hooks::parse_go_json(text);
        expect(again && hooks::to_go_json(*again) == text, "JSON that is read in two ways", text);
        (void)hooks::find_go_path(content_type, *value);
    } catch (const hooks::MalformedPayload&) {
        return; // too deep
    }
}

} // namespace
} // namespace belay::fuzz

/** A content type in a line of its own, then the body, which is the query as well. */
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace belay;
    std::string_view body = fuzz::text_of(data, size);
    const std::string_view content_type = fuzz::take_line(body);
    std::optional<boost::json::value> meaning;
    for (const std::string& type : {std::string{content_type}, std::string{}, std::string{"application/json"},
             std::string{"application/x-www-form-urlencoded"}, fuzz::multipart_type(body)}) {
        const auto read = fuzz::read(body, type);
        if (!read)
            continue;
        fuzz::expect(!meaning || fuzz::is_same(*meaning, *read), "a body that means another thing as " + type);
        meaning = read;
        fuzz::find_members(body, type, *read);
    }
    const std::array<http::Field, 2> fields{{{"Content-Type", content_type}, {content_type, body}}};
    http::Request request;
    request.body = body;
    request.query = body;
    request.fields = fields;
    fuzz::pass_on(request, content_type);
    fuzz::read_as_go(body, content_type);
    return 0;
}
