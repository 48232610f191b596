#include "cli/json.hpp"

#include <boost/json/serialize.hpp>
#include <boost/system/error_code.hpp>

namespace belay::cli {
namespace {

const json::value* find(const json::value& object, std::string_view name)
{
    const json::object* members = object.if_object();
    return members == nullptr ? nullptr : members->if_contains(name);
}

} // namespace

std::string text_member(const json::value& object, std::string_view name)
{
    const json::value* member = find(object, name);
    if (member == nullptr || member->is_null())
        return "";
    if (const json::string* text = member->if_string())
        return {text->data(), text->size()};
    return json::serialize(*member);
}

std::uint64_t number_member(const json::value& object, std::string_view name)
{
    const json::value* member = find(object, name);
    boost::system::error_code ec;
    const auto number = member == nullptr ? 0 : member->to_number<std::uint64_t>(ec);
    return ec ? 0 : number;
}

bool flag_member(const json::value& object, std::string_view name)
{
    const json::value* member = find(object, name);
    const bool* flag = member == nullptr ? nullptr : member->if_bool();
    return flag != nullptr && *flag;
}

const json::array& array_member(const json::value& object, std::string_view name)
{
    static const json::array none;
    const json::value* member = find(object, name);
    const json::array* elements = member == nullptr ? nullptr : member->if_array();
    return elements == nullptr ? none : *elements;
}

} // namespace belay::cli
