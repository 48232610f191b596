#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace belay {

/** A count of bytes. */
using Bytes = std::uint64_t;

constexpr Bytes operator""_KiB(unsigned long long n)
{
    return n << 10;
}
constexpr Bytes operator""_MiB(unsigned long long n)
{
    return n << 20;
}

/**
 * "64KiB", "1MiB", "2GiB", "512B" or "512" → bytes.  Binary units only; a fraction is refused.
 * @throws std::invalid_argument with a sentence for the operator
 */
[[nodiscard]] Bytes parse_byte_size(std::string_view text);

/** The shortest text that parse_byte_size() reads back to the same value: 1048576 → "1MiB". */
[[nodiscard]] std::string format_byte_size(Bytes bytes);

} // namespace belay
