#include "http/request.hpp"

#include "http/chars.hpp"

#include <algorithm>

namespace belay::http {

void Request::reset() noexcept
{
    Request anew; // whatever a request may come to have, none inherits it
    const auto keep = [](auto& memory, auto& of) {
        of.clear();
        memory.swap(of);
    };
    keep(anew.path_parameters, path_parameters);
    keep(anew.id, id);
    keep(anew.client, client);
    *this = std::move(anew);
}

std::optional<std::string_view> Request::field(std::string_view name) const noexcept
{
    for (const Field& field : fields)
        if (is_same_name(field.name, name))
            return field.value;
    return std::nullopt;
}

std::size_t Request::count(std::string_view name) const noexcept
{
    return static_cast<std::size_t>(
        std::ranges::count_if(fields, [name](const Field& field) { return is_same_name(field.name, name); }));
}

std::string_view Request::path_parameter(std::string_view name) const noexcept
{
    for (const auto& [parameter, value] : path_parameters)
        if (parameter == name)
            return value;
    return {};
}

} // namespace belay::http
