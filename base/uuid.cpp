#include "base/uuid.hpp"

#include "base/random.hpp"

#include <array>
#include <atomic>
#include <cstring>
#include <span>

namespace belay {
namespace {

/** 48 bits of milliseconds and 12 bits that follow: strictly increasing in this process. */
std::uint64_t next_tick(std::chrono::system_clock::time_point now)
{
    // RFC 9562 §6.2 method 3: the sub-millisecond part of the clock fills the 12 bits after the timestamp.
    static std::atomic<std::uint64_t> last{0};
    const auto since = std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count();
    const auto milliseconds = static_cast<std::uint64_t>(since / 1'000'000);
    const auto fraction = static_cast<std::uint64_t>(since % 1'000'000) * 4096 / 1'000'000;
    const std::uint64_t tick = milliseconds << 12 | fraction;
    std::uint64_t previous = last.load(std::memory_order_relaxed);
    std::uint64_t mine = 0;
    do {
        mine = std::max(tick, previous + 1);
    } while (!last.compare_exchange_weak(previous, mine, std::memory_order_relaxed));
    return mine;
}

Uuid from_tick(std::uint64_t tick)
{
    Uuid id;
    fill_random(std::span{id.bytes}.last(8));
    const std::uint64_t milliseconds = tick >> 12;
    for (unsigned i = 0; i < 6; ++i)
        id.bytes[i] = static_cast<std::uint8_t>(milliseconds >> (40 - 8 * i));
    id.bytes[6] = static_cast<std::uint8_t>(0x70 | (tick >> 8 & 0x0f));
    id.bytes[7] = static_cast<std::uint8_t>(tick);
    id.bytes[8] = static_cast<std::uint8_t>(0x80 | (id.bytes[8] & 0x3f));
    return id;
}

constexpr std::size_t text_size = 36;

constexpr bool is_dash(std::size_t position)
{
    return position == 8 || position == 13 || position == 18 || position == 23;
}

constexpr int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

} // namespace

Uuid make_uuid_v7()
{
    return from_tick(next_tick(std::chrono::system_clock::now()));
}

Uuid make_uuid_v7(std::chrono::system_clock::time_point time)
{
    const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
    return from_tick(static_cast<std::uint64_t>(since) << 12);
}

std::string to_string(const Uuid& id)
{
    std::string text;
    append(text, id);
    return text;
}

void append(std::string& out, const Uuid& id)
{
    constexpr std::string_view digits = "0123456789abcdef";
    const std::size_t start = out.size();
    out.append(text_size, '-');
    char* text = out.data() + start;
    for (std::size_t i = 0; i < id.bytes.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) // a dash
            ++text;
        *text++ = digits[id.bytes[i] >> 4];
        *text++ = digits[id.bytes[i] & 0x0f];
    }
}

std::optional<Uuid> parse_uuid(std::string_view text)
{
    if (text.size() != text_size)
        return std::nullopt;
    Uuid id;
    std::size_t digit = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (is_dash(i)) {
            if (text[i] != '-')
                return std::nullopt;
            continue;
        }
        const int value = hex_value(text[i]);
        if (value < 0)
            return std::nullopt;
        auto& byte = id.bytes[digit / 2];
        byte = static_cast<std::uint8_t>(byte << 4 | value);
        ++digit;
    }
    return id;
}

} // namespace belay
