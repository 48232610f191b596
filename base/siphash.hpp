#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace belay {

/**
 * SipHash-2-4 of Aumasson and Bernstein: who does not know the key cannot choose texts whose hashes collide.  For
 * tables whose keys strangers choose; no signature.
 */
[[nodiscard]] std::uint64_t siphash(const std::array<std::uint64_t, 2>& key, std::string_view text) noexcept;

} // namespace belay
