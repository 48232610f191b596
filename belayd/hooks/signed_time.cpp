#include "belayd/hooks/signed_time.hpp"

#include <fmt/chrono.h>

#include <charconv>
#include <ctime>
#include <type_traits>

namespace belay::hooks {
namespace {

using Format = config::SignedTime::Format;

constexpr std::size_t most_digits = 11; // of seconds: until the year 5138

/** @tparam Unit seconds or shorter */
template <typename Unit>
std::optional<Timestamp> parse_count(std::string_view text)
{
    constexpr std::size_t most = most_digits + (std::is_same_v<Unit, std::chrono::milliseconds> ? 3 : 0);
    long long count = 0;
    if (text.empty() || text.size() > most || text.find_first_not_of("0123456789") != std::string_view::npos)
        return std::nullopt;
    if (text.size() > 1 && text.front() == '0') // it may be the end of a body that is signed before the time
        return std::nullopt;
    (void)std::from_chars(text.data(), text.data() + text.size(), count);
    return std::chrono::sys_time<Unit>{Unit{count}};
}

std::optional<Timestamp> parse_date(const std::string& text)
{
    std::tm time{};
    const char* const zone = ::strptime(text.c_str(), "%a %d %b %Y %H:%M:%S ", &time); // the locale is always "C"
    if (zone == nullptr || (std::string_view{zone} != "UTC" && std::string_view{zone} != "GMT"))
        return std::nullopt;
    return std::chrono::sys_seconds{std::chrono::seconds{::timegm(&time)}};
}

} // namespace

std::optional<Timestamp> parse_signed_time(Format format, std::string_view text)
{
    switch (format) {
    case Format::unix_seconds:
        break;
    case Format::unix_milliseconds:
        return parse_count<std::chrono::milliseconds>(text);
    case Format::date:
        return parse_date(std::string{text});
    }
    return parse_count<std::chrono::seconds>(text);
}

std::string format_signed_time(Format format, Timestamp time)
{
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    switch (format) {
    case Format::unix_seconds:
        break;
    case Format::unix_milliseconds:
        return std::to_string(std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count());
    case Format::date:
        return fmt::format("{:%a %d %b %Y %H:%M:%S} UTC", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)));
    }
    return std::to_string(seconds.time_since_epoch().count());
}

} // namespace belay::hooks
