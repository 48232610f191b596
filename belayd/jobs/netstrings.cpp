#include "belayd/jobs/netstrings.hpp"

#include <charconv>
#include <stdexcept>

namespace belay::jobs {
namespace {

void append(std::string& out, std::string_view item)
{
    out += std::to_string(item.size());
    out += ':';
    out += item;
    out += ',';
}

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

std::string join_netstrings(const std::vector<std::string>& list)
{
    std::string joined;
    for (const auto& item : list)
        append(joined, item);
    return joined;
}

std::string join_netstrings(const std::vector<std::pair<std::string, std::string>>& pairs)
{
    std::string joined;
    for (const auto& [name, value] : pairs) {
        append(joined, name);
        append(joined, value);
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

} // namespace belay::jobs
