#include "belayd/jobs/netstrings.hpp"

#include <charconv>
#include <stdexcept>

namespace belay::jobs {
namespace {

constexpr std::string_view as_text = "text";
constexpr std::string_view as_body = "body";

/** Takes the first item off `text`. */
std::string_view take(std::string_view& text)
{
    std::size_t size = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), size);
    const auto digits = static_cast<std::size_t>(end - text.data());
    if (ec != std::errc{} || text.size() < digits + 2 || text[digits] != ':' || size > text.size() - digits - 2 ||
        text[digits + 1 + size] != ',')
        throw std::invalid_argument{"malformed netstring"};
    const auto item = text.substr(digits + 1, size);
    text.remove_prefix(digits + size + 2);
    return item;
}

} // namespace

void append_netstring(std::string& joined, std::string_view item)
{
    joined += std::to_string(item.size());
    joined += ':';
    joined += item;
    joined += ',';
}

std::string join_netstrings(const std::vector<std::string>& list)
{
    std::string joined;
    for (const auto& item : list)
        append_netstring(joined, item);
    return joined;
}

std::string join_netstrings(const std::vector<std::pair<std::string, std::string>>& pairs)
{
    std::string joined;
    for (const auto& [name, value] : pairs) {
        append_netstring(joined, name);
        append_netstring(joined, value);
    }
    return joined;
}

std::vector<std::string> split_netstrings(std::string_view text)
{
    std::vector<std::string> list;
    while (!text.empty())
        list.emplace_back(take(text));
    return list;
}

std::vector<std::pair<std::string, std::string>> split_netstring_pairs(std::string_view text)
{
    std::vector<std::pair<std::string, std::string>> pairs;
    while (!text.empty()) {
        const auto name = take(text);
        pairs.emplace_back(name, take(text));
    }
    return pairs;
}

std::string join_files(const JobFiles& files)
{
    std::string joined;
    for (const auto& [name, text] : files) {
        append_netstring(joined, name);
        append_netstring(joined, text ? as_text : as_body);
        append_netstring(joined, text ? std::string_view{*text} : std::string_view{});
    }
    return joined;
}

JobFiles split_files(std::string_view text)
{
    JobFiles files;
    while (!text.empty()) {
        std::string name{take(text)};
        const auto kind = take(text);
        const auto content = take(text);
        if (kind == as_text)
            files.emplace_back(std::move(name), std::string{content});
        else if (kind == as_body)
            files.emplace_back(std::move(name), std::nullopt);
        else
            throw std::invalid_argument{"malformed list of files"};
    }
    return files;
}

} // namespace belay::jobs
