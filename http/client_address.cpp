#include "http/client_address.hpp"

#include "http/chars.hpp"

#include <algorithm>
#include <optional>
#include <ranges>
#include <string_view>

namespace belay::http {
namespace {

bool contains(const std::vector<IpNetwork>& networks, const IpAddress& address)
{
    return std::ranges::any_of(networks, [&](const IpNetwork& network) { return network.contains(address); });
}

/** ":4711", which some proxies add to an address. */
bool is_port(std::string_view text)
{
    return text.size() > 1 && text.front() == ':' && std::ranges::all_of(text.substr(1), is_digit);
}

/** "192.0.2.7", "192.0.2.7:4711", "2001:db8::7", "[2001:db8::7]", "[2001:db8::7]:4711" */
std::optional<IpAddress> parse_hop(std::string_view text)
{
    const auto colon = text.rfind(':');
    const bool is_bracketed = text.starts_with('[');
    const bool has_port = colon != std::string_view::npos && is_port(text.substr(colon)) &&
                          (is_bracketed ? text.substr(0, colon).ends_with(']') : text.find(':') == colon);
    if (has_port)
        text = text.substr(0, colon);
    if (is_bracketed && text.ends_with(']'))
        text = text.substr(1, text.size() - 2);
    return parse_ip_address(text);
}

/** What the lines of X-Forwarded-For name, as one list; empty elements are none (RFC 9110 §5.6.1.2). */
std::vector<std::string_view> hops_of(const Request& request)
{
    std::vector<std::string_view> hops;
    for (const Field& field : request.fields) {
        if (!equals_ignoring_case(field.name, "x-forwarded-for"))
            continue;
        for (std::string_view rest = field.value; !rest.empty();) {
            const auto end = std::min(rest.find(','), rest.size());
            if (const auto hop = trimmed(rest.substr(0, end)); !hop.empty())
                hops.push_back(hop);
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
    }
    return hops;
}

} // namespace

std::string client_address(const Request& request, const TrustedProxies& trusted)
{
    std::string client = request.peer->address;
    if (trusted.networks.empty() && !trusted.unix_peers)
        return client;
    const auto peer = parse_ip_address(client);
    if (!(peer ? contains(trusted.networks, *peer) : trusted.unix_peers))
        return client;
    const auto hops = hops_of(request);
    for (const std::string_view hop : std::views::reverse(hops)) {
        const auto address = parse_hop(hop);
        if (!address)
            return unknown_client;
        client = to_string(*address);
        if (!contains(trusted.networks, *address))
            break;
    }
    return client;
}

} // namespace belay::http
