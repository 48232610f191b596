#pragma once
#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace belay {

/** An address.  IPv4 is held as IPv6 maps it, ::ffff:192.0.2.7, so that both ways to write one are the same. */
struct IpAddress {
    std::array<unsigned char, 16> bytes{};

    [[nodiscard]] bool is_ipv4() const noexcept;
    bool operator==(const IpAddress&) const = default;
};

/** The addresses that begin with the same bits (RFC 4632, RFC 4291 §2.3).  None of IPv6 contains one of IPv4. */
struct IpNetwork {
    IpAddress first;              ///< no bit is set beyond the prefix
    unsigned prefix_length = 128; ///< of the 128 bits: 96 more than is written of IPv4

    [[nodiscard]] bool contains(const IpAddress& address) const noexcept;
    bool operator==(const IpNetwork&) const = default;
};

/** "192.0.2.7" or "2001:db8::7", without brackets, port or zone. */
[[nodiscard]] std::optional<IpAddress> parse_ip_address(std::string_view text);

/** "192.0.2.0/24" or "2001:db8::/32"; an address alone is a network of one.  Nothing where a bit is set beyond. */
[[nodiscard]] std::optional<IpNetwork> parse_ip_network(std::string_view text);

/** "" where parse_ip_network() takes it, else what is wrong with it: a phrase that follows the text. */
[[nodiscard]] std::string fault_in_ip_network(std::string_view text);

/** The text that parse_ip_address() reads back. */
[[nodiscard]] std::string to_string(const IpAddress& address);

/** The text that parse_ip_network() reads back. */
[[nodiscard]] std::string to_string(const IpNetwork& network);

} // namespace belay
