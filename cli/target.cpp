#include "cli/target.hpp"

#include "base/uuid.hpp"
#include "cli/context.hpp"

#include <fmt/format.h>

#include <sysexits.h>

namespace belay::cli {

std::string percent_encode(std::string_view text)
{
    constexpr std::string_view unreserved = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    std::string encoded;
    for (const char c : text)
        if (unreserved.find(c) != std::string_view::npos)
            encoded += c;
        else
            encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    return encoded;
}

std::string make_target(std::string path, const std::vector<std::pair<std::string_view, std::string>>& parameters)
{
    char separator = '?';
    for (const auto& [name, value] : parameters) {
        if (value.empty())
            continue;
        path += fmt::format("{}{}={}", separator, name, percent_encode(value));
        separator = '&';
    }
    return path;
}

std::string job_target(const std::string& id, std::string_view rest)
{
    const auto uuid = parse_uuid(id);
    if (!uuid)
        throw Failure{EX_USAGE, fmt::format("\"{}\" is not the id of a job: `belay jobs` lists them", id)};
    return fmt::format("/api/v1/jobs/{}{}", to_string(*uuid), rest);
}

} // namespace belay::cli
