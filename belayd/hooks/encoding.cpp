#include "belayd/hooks/encoding.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <limits>

namespace belay::hooks {
namespace {

constexpr std::string_view digits = "0123456789abcdef";

/** Of what OpenSSL counts with an int. */
constexpr std::size_t longest = std::numeric_limits<int>::max() / 2;

} // namespace

std::string to_hex(std::span<const unsigned char> bytes)
{
    std::string text;
    text.reserve(2 * bytes.size());
    for (const unsigned char byte : bytes) {
        text += digits[byte >> 4U];
        text += digits[byte & 0xfU];
    }
    return text;
}

std::string to_base64(std::span<const unsigned char> bytes)
{
    std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0'); // OpenSSL adds a NUL
    text.resize(static_cast<std::size_t>(
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(), static_cast<int>(bytes.size()))));
    return text;
}

std::string to_base64url(std::span<const unsigned char> bytes)
{
    std::string text = to_base64(bytes);
    text.resize(text.find_last_not_of('=') + 1); // npos + 1 is 0
    std::ranges::replace(text, '+', '-');
    std::ranges::replace(text, '/', '_');
    return text;
}

std::optional<std::string> from_hex(std::string_view text)
{
    if (text.size() % 2 != 0)
        return std::nullopt;
    std::string bytes;
    bytes.reserve(text.size() / 2);
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const auto high = digits.find(text[i]);
        const auto low = digits.find(text[i + 1]);
        if (high == std::string_view::npos || low == std::string_view::npos)
            return std::nullopt;
        bytes += static_cast<char>(high << 4U | low);
    }
    return bytes;
}

std::optional<std::string> from_base64(std::string_view text)
{
    if (text.size() % 4 != 0 || text.size() > longest)
        return std::nullopt;
    std::string bytes(text.size() / 4 * 3, '\0');
    if (EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()), bytes_of(text).data(),
            static_cast<int>(text.size())) != static_cast<int>(bytes.size()))
        return std::nullopt;
    const auto padding = text.size() - 1 - text.find_last_not_of('=');
    if (text.find_last_not_of('=') == std::string_view::npos ? !text.empty() : padding > 2)
        return std::nullopt;
    bytes.resize(bytes.size() - (text.empty() ? 0 : padding));    // OpenSSL counts what padding stands for
    const bool is_canonical = to_base64(bytes_of(bytes)) == text; // OpenSSL forgives white space and spare bits
    return is_canonical ? std::optional{bytes} : std::nullopt;
}

std::optional<std::string> from_base64url(std::string_view text)
{
    if (text.find_first_of("+/=") != std::string_view::npos)
        return std::nullopt;
    std::string padded{text};
    std::ranges::replace(padded, '-', '+');
    std::ranges::replace(padded, '_', '/');
    padded.append((4 - padded.size() % 4) % 4, '=');
    return from_base64(padded);
}

} // namespace belay::hooks
