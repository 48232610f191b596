#include "belayd/hooks/signature_header.hpp"

#include <boost/beast/core/string.hpp>

#include <algorithm>

namespace belay::hooks {
namespace {

using Layout = config::Scheme::Layout;

/** A sender that changes its secret signs with two. */
constexpr std::size_t most_signatures = 16;

/** Of the elements "LABEL SEPARATOR VALUE" those with that label. */
std::vector<std::string_view> find_values(
    std::string_view header, char between_elements, std::string_view label, char separator)
{
    std::vector<std::string_view> values;
    while (!header.empty() && values.size() <= most_signatures) {
        const auto end = std::min(header.find(between_elements), header.size());
        const std::string_view element = header.substr(0, end);
        header.remove_prefix(std::min(end + 1, header.size()));
        if (element.size() > label.size() && element.starts_with(label) && element[label.size()] == separator)
            values.push_back(element.substr(label.size() + 1));
    }
    return values;
}

} // namespace

std::vector<std::string_view> find_signatures(Layout layout, const config::SignatureForm& form, std::string_view header)
{
    std::vector<std::string_view> found;
    switch (layout) {
    case Layout::single:
        if (header.starts_with(form.label))
            found.push_back(header.substr(form.label.size()));
        break;
    case Layout::credentials:
        if (const auto blanks = header.substr(std::min(form.label.size(), header.size()));
            blanks.starts_with(' ') && boost::beast::iequals(header.substr(0, form.label.size()), form.label))
            found.push_back(blanks.substr(std::min(blanks.find_first_not_of(' '), blanks.size())));
        break;
    case Layout::list:
        found = find_values(header, ' ', form.label, ',');
        break;
    case Layout::pairs:
        found = find_values(header, ',', form.label, '=');
        break;
    }
    if (found.size() > most_signatures)
        found.clear();
    return found;
}

std::optional<std::string_view> find_pair(std::string_view label, std::string_view header)
{
    const auto values = find_values(header, ',', label, '=');
    return values.size() == 1 ? std::optional{values.front()} : std::nullopt;
}

} // namespace belay::hooks
