#pragma once
#include <array>
#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace belay {

/** A 128-bit identifier, RFC 9562.  Compares as its bytes do: version 7 ids sort by the time they were made. */
struct Uuid {
    std::array<std::uint8_t, 16> bytes{};

    auto operator<=>(const Uuid&) const = default;
};

/**
 * A new version 7 id (RFC 9562 §5.7): milliseconds since the epoch, a counter that keeps the ids of one process in the
 * order they were made, random bits.  Thread-safe.
 */
[[nodiscard]] Uuid make_uuid_v7();

/** The same with the time as an argument and without the order: for tests. */
[[nodiscard]] Uuid make_uuid_v7(std::chrono::system_clock::time_point time);

/** Lower-case text of 36 characters. */
[[nodiscard]] std::string to_string(const Uuid& id);

/** Appends that text. */
void append(std::string& out, const Uuid& id);

/** The 36-character form, either case; nothing else. */
[[nodiscard]] std::optional<Uuid> parse_uuid(std::string_view text);

} // namespace belay
