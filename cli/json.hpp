#pragma once
#include <boost/json/value.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace belay::cli {

namespace json = boost::json;

// Members of what belayd answered.  A tool may be older or newer than its daemon, so nothing has to be there.

/** A string as it is, anything else as JSON; "" for a missing member or null. */
[[nodiscard]] std::string text_member(const json::value& object, std::string_view name);

/** 0 for a missing member or one that is not a whole number. */
[[nodiscard]] std::uint64_t number_member(const json::value& object, std::string_view name);

/** False for a missing member or one that is not a boolean. */
[[nodiscard]] bool flag_member(const json::value& object, std::string_view name);

/** Empty for a missing member or one that is not an array. */
[[nodiscard]] const json::array& array_member(const json::value& object, std::string_view name);

} // namespace belay::cli
