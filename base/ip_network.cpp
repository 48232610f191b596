#include "base/ip_network.hpp"

#include <fmt/format.h>

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace belay {
namespace {

constexpr unsigned mapped_bits = 96; // RFC 4291 §2.5.5.2
constexpr unsigned all_bits = 128;
constexpr std::array<unsigned char, mapped_bits / 8> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/** Without a sign or a needless zero, which others read as octal. */
std::optional<unsigned> parse_length(std::string_view text, unsigned most)
{
    unsigned length = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size() || length > most ||
        (text.size() > 1 && text.front() == '0'))
        return std::nullopt;
    return length;
}

IpAddress mask(IpAddress address, unsigned length)
{
    for (unsigned i = 0; i < address.bytes.size(); ++i) {
        const unsigned kept = std::clamp(length, 8 * i, 8 * i + 8) - 8 * i;
        address.bytes[i] = static_cast<unsigned char>(address.bytes[i] & (0xff00U >> kept));
    }
    return address;
}

/** With the bits that may be set beyond its prefix. */
std::optional<IpNetwork> parse_loosely(std::string_view text)
{
    const auto slash = std::min(text.find('/'), text.size());
    const auto address = parse_ip_address(text.substr(0, slash));
    if (!address)
        return std::nullopt;
    if (slash == text.size())
        return IpNetwork{*address, all_bits};
    const unsigned before = address->is_ipv4() && text.find(':') == std::string_view::npos ? mapped_bits : 0;
    const auto length = parse_length(text.substr(slash + 1), all_bits - before);
    return length ? std::optional{IpNetwork{*address, before + *length}} : std::nullopt;
}

} // namespace

bool IpAddress::is_ipv4() const noexcept
{
    return std::equal(mapped.begin(), mapped.end(), bytes.begin());
}

bool IpNetwork::contains(const IpAddress& address) const noexcept
{
    return (prefix_length >= mapped_bits || !address.is_ipv4()) && mask(address, prefix_length) == first;
}

std::optional<IpAddress> parse_ip_address(std::string_view text)
{
    std::array<char, INET6_ADDRSTRLEN> terminated{};
    if (text.size() >= terminated.size() || text.find('\0') != std::string_view::npos)
        return std::nullopt;
    std::ranges::copy(text, terminated.begin());
    IpAddress address;
    if (::inet_pton(AF_INET6, terminated.data(), address.bytes.data()) == 1)
        return address;
    std::ranges::copy(mapped, address.bytes.begin());
    if (::inet_pton(AF_INET, terminated.data(), address.bytes.data() + mapped.size()) == 1)
        return address;
    return std::nullopt;
}

std::optional<IpNetwork> parse_ip_network(std::string_view text)
{
    const auto network = parse_loosely(text);
    return network && mask(network->first, network->prefix_length) == network->first ? network : std::nullopt;
}

std::string fault_in_ip_network(std::string_view text)
{
    const auto network = parse_loosely(text);
    if (!network)
        return "is no network: write \"192.0.2.0/24\", \"2001:db8::/32\" or an address";
    const IpNetwork meant{mask(network->first, network->prefix_length), network->prefix_length};
    if (meant == *network)
        return {};
    return fmt::format("is an address in a network: write \"{}\", or the address alone", to_string(meant));
}

std::string to_string(const IpAddress& address)
{
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (address.is_ipv4())
        ::inet_ntop(AF_INET, address.bytes.data() + mapped.size(), text.data(), text.size());
    else
        ::inet_ntop(AF_INET6, address.bytes.data(), text.data(), text.size());
    return text.data();
}

std::string to_string(const IpNetwork& network)
{
    const bool is_ipv4 = network.first.is_ipv4() && network.prefix_length >= mapped_bits;
    return network.prefix_length == all_bits
               ? to_string(network.first)
               : fmt::format("{}/{}", to_string(network.first), network.prefix_length - (is_ipv4 ? mapped_bits : 0));
}

} // namespace belay
