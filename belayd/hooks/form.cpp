#include "belayd/hooks/form.hpp"

#include <boost/url/parse_query.hpp>

namespace belay::hooks {

std::optional<std::vector<FormField>> parse_form(std::string_view text, std::size_t most)
{
    const std::string terminated{text}; // Boost 1.81 reads on until a NUL, past the end of a view
    const auto parameters = boost::urls::parse_query(terminated);
    if (!parameters)
        return std::nullopt;
    boost::urls::encoding_opts decoding;
    decoding.space_as_plus = true;
    std::vector<FormField> fields;
    for (const auto parameter : *parameters) {
        if (fields.size() == most)
            break;
        fields.push_back({parameter.key.decode(decoding), parameter.value.decode(decoding)});
    }
    return fields;
}

} // namespace belay::hooks
