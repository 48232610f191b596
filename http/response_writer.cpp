#include "http/response_writer.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>

namespace belay::http {
namespace {

void append_number(std::string& out, std::size_t number)
{
    char digits[20];
    const auto end = std::to_chars(std::begin(digits), std::end(digits), number).ptr;
    out.append(digits, end);
}

void append_field(std::string& out, std::string_view name, std::string_view value)
{
    out += name;
    out += ": ";
    const std::size_t start = out.size();
    out += value;
    for (const char line_break : {'\r', '\n', '\0'})
        if (value.find(line_break) != value.npos) // many characters at a time, and hardly ever there
            std::replace(out.begin() + static_cast<std::ptrdiff_t>(start), out.end(), line_break, ' ');
    out += "\r\n";
}

} // namespace

void append_response(std::string& out, const Response& response, const ResponseFraming& framing)
{
    const bool has_content = response.status != 204 && response.status != 304; // RFC 9110 §15.3.5, §15.4.5
    out += "HTTP/1.1 ";
    append_number(out, static_cast<std::size_t>(std::clamp(response.status, 100, 999)));
    out += ' ';
    out += reason_phrase(response.status);
    out += "\r\nDate: ";
    out += framing.date;
    out += "\r\n";
    if (has_content) {
        if (!response.content_type.text().empty())
            append_field(out, "Content-Type", response.content_type.text());
        out += "Content-Length: ";
        append_number(out, response.body.size());
        out += "\r\n";
    }
    for (const auto& [name, value] : response.fields)
        append_field(out, name, value);
    if (!framing.request_id.empty())
        append_field(out, "X-Request-Id", framing.request_id);
    if (framing.close)
        out += "Connection: close\r\n";
    else if (framing.keep_alive_1_0)
        out += "Connection: keep-alive\r\n";
    out += "\r\n";
    if (has_content && !framing.head_only)
        out += response.body;
}

} // namespace belay::http
