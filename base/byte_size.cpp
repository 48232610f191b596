#include "base/byte_size.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>
#include <stdexcept>

namespace belay {
namespace {

struct SizeUnit {
    std::string_view suffix;
    unsigned shift;
};
constexpr std::array<SizeUnit, 5> size_units{{{"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}, {"B", 0}}};

} // namespace

Bytes parse_byte_size(std::string_view text)
{
    Bytes number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc::invalid_argument)
        throw std::invalid_argument{fmt::format("\"{}\" is not a size: write it as \"64KiB\" or \"1MiB\"", text)};
    const std::string_view suffix{end, static_cast<std::size_t>(text.data() + text.size() - end)};
    if (error == std::errc{} && suffix.empty())
        return number;
    for (const auto& unit : size_units) {
        if (suffix != unit.suffix)
            continue;
        if (error != std::errc{} || number > std::numeric_limits<Bytes>::max() >> unit.shift)
            throw std::invalid_argument{fmt::format("\"{}\" is too large", text)};
        return number << unit.shift;
    }
    if (error != std::errc{})
        throw std::invalid_argument{fmt::format("\"{}\" is too large", text)};
    throw std::invalid_argument{
        fmt::format("\"{}\" has an unknown unit \"{}\": use B, KiB, MiB, GiB or TiB", text, suffix)};
}

std::string format_byte_size(Bytes bytes)
{
    for (const auto& unit : size_units)
        if (bytes != 0 && unit.shift != 0 && bytes % (Bytes{1} << unit.shift) == 0)
            return fmt::format("{}{}", bytes >> unit.shift, unit.suffix);
    return fmt::format("{}B", bytes);
}

} // namespace belay
