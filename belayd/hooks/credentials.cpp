#include "belayd/hooks/credentials.hpp"

#include "belayd/hooks/encoding.hpp"
#include "belayd/hooks/signature_header.hpp"

#include <algorithm>

namespace belay::hooks {

bool has_control(std::string_view text) noexcept
{
    return std::ranges::any_of(text, [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; });
}

std::optional<Credentials> parse_credentials(std::string_view field)
{
    config::SignatureForm form;
    form.label = "Basic";
    const auto found = find_signatures(config::Scheme::Layout::credentials, form, field);
    const auto text = found.size() == 1 ? from_base64(found.front()) : std::nullopt;
    const auto colon = text ? text->find(':') : std::string::npos;
    if (colon == std::string::npos || has_control(*text) || text->size() - colon - 1 > most_password_bytes)
        return std::nullopt;
    return Credentials{text->substr(0, colon), text->substr(colon + 1)};
}

} // namespace belay::hooks
