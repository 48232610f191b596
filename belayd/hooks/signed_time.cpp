#include "belayd/hooks/signed_time.hpp"

#include <fmt/chrono.h>

#include <charconv>
#include <ctime>

namespace belay::hooks {
namespace {

constexpr std::size_t most_digits = 11; // until the year 5138

std::optional<std::chrono::sys_seconds> parse_seconds(std::string_view text)
{
    long long seconds = 0;
    if (text.empty() || text.size() > most_digits || text.find_first_not_of("0123456789") != std::string_view::npos)
        return std::nullopt;
    if (text.size() > 1 && text.front() == '0') // it may be the end of a body that is signed before the time
        return std::nullopt;
    (void)std::from_chars(text.data(), text.data() + text.size(), seconds);
    return std::chrono::sys_seconds{std::chrono::seconds{seconds}};
}

std::optional<std::chrono::sys_seconds> parse_date(const std::string& text)
{
    std::tm time{};
    const char* const zone = ::strptime(text.c_str(), "%a %d %b %Y %H:%M:%S ", &time); // the locale is always "C"
    if (zone == nullptr || (std::string_view{zone} != "UTC" && std::string_view{zone} != "GMT"))
        return std::nullopt;
    return std::chrono::sys_seconds{std::chrono::seconds{::timegm(&time)}};
}

} // namespace

std::optional<std::chrono::sys_seconds> parse_signed_time(config::SignedTime::Format format, std::string_view text)
{
    return format == config::SignedTime::Format::date ? parse_date(std::string{text}) : parse_seconds(text);
}

std::string format_signed_time(config::SignedTime::Format format, std::chrono::sys_seconds time)
{
    if (format == config::SignedTime::Format::date)
        return fmt::format("{:%a %d %b %Y %H:%M:%S} UTC", fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
    return std::to_string(time.time_since_epoch().count());
}

} // namespace belay::hooks
