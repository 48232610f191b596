#include "belayd/hooks/multipart.hpp"

#include "belayd/hooks/media_type.hpp"
#include "belayd/hooks/payload.hpp"
#include "http/chars.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace belay::hooks {
namespace {

constexpr std::string_view line_end = "\r\n";

[[noreturn]] void refuse(std::string_view what)
{
    throw MalformedPayload{fmt::format("the body is not multipart/form-data: {}", what)};
}

/** RFC 2046 §5.1.1 */
bool is_boundary(std::string_view text) noexcept
{
    constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'()+_,-./:=? ";
    return !text.empty() && text.size() <= 70 && text.find_first_not_of(allowed) == std::string_view::npos &&
           !text.ends_with(' ');
}

bool is_name(std::string_view text) noexcept
{
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f && c != ':'; });
}

/** @return the name of the field, from its Content-Disposition */
std::string read_disposition(std::string_view value)
{
    const auto disposition = parse_parameterised_word(value);
    if (!disposition || disposition->word != "form-data")
        refuse("a part's Content-Disposition is not form-data; name=\"…\"");
    const std::string* const name = disposition->find("name");
    if (name == nullptr || name->empty())
        refuse("a part has no name");
    return *name;
}

/** @param head field lines, each with its line end @return the name of the part */
std::string read_head(std::string_view head)
{
    std::optional<std::string> name;
    while (!head.empty()) {
        const auto end = head.find(line_end);
        const std::string_view line = head.substr(0, end);
        head.remove_prefix(end + line_end.size());
        const auto colon = line.find(':');
        const bool clean = std::ranges::all_of(line, [](char c) { // no bare CR, LF or NUL
            return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
        });
        if (!clean || colon == std::string_view::npos || !is_name(line.substr(0, colon)))
            refuse("a part's header is malformed");
        const std::string_view field = line.substr(0, colon);
        const std::string_view value = http::trimmed(line.substr(colon + 1));
        if (http::equals_ignoring_case(field, "content-disposition")) {
            if (name)
                refuse("a part has two Content-Disposition fields");
            name = read_disposition(value);
        } else if (http::equals_ignoring_case(field, "content-transfer-encoding") &&
                   !http::equals_ignoring_case(value, "7bit") && !http::equals_ignoring_case(value, "8bit") &&
                   !http::equals_ignoring_case(value, "binary")) {
            refuse("a part has a transfer encoding, which RFC 7578 §4.7 does without");
        }
    }
    if (!name)
        refuse("a part has no Content-Disposition");
    return std::move(*name);
}

} // namespace

std::vector<FormPart> parse_multipart(std::string_view body, std::string_view boundary)
{
    if (!is_boundary(boundary))
        refuse("the boundary in Content-Type is not 1 to 70 of the characters that RFC 2046 allows");
    const std::string delimiter = fmt::format("\r\n--{}", boundary);
    const std::string_view first = std::string_view{delimiter}.substr(line_end.size());
    if (!body.starts_with(first))
        refuse("it does not begin with its boundary");
    std::vector<FormPart> parts;
    std::string_view rest = body.substr(first.size());
    while (rest.starts_with(line_end)) {
        if (parts.size() == max_form_fields)
            refuse(fmt::format("it has more than {} parts", max_form_fields));
        rest.remove_prefix(line_end.size());
        constexpr std::string_view blank_line = "\r\n\r\n";
        const auto head = rest.substr(0, max_part_head).find(blank_line);
        if (head == std::string_view::npos)
            refuse(fmt::format("a part's header does not end within {} bytes", max_part_head));
        std::string name = read_head(rest.substr(0, head + line_end.size()));
        rest.remove_prefix(head + blank_line.size());
        const auto end = rest.find(delimiter);
        if (end == std::string_view::npos)
            refuse("its last boundary is missing");
        parts.push_back({std::move(name), rest.substr(0, end)});
        rest.remove_prefix(end + delimiter.size());
    }
    if (rest != "--" && rest != "--\r\n")
        refuse(rest.starts_with("--") ? "something follows its last boundary" : "something stands behind a boundary");
    return parts;
}

} // namespace belay::hooks
