#include "base/siphash.hpp"

#include <bit>
#include <cstddef>

namespace belay {
namespace {

/** Eight bytes, or fewer, as a little-endian number. */
std::uint64_t load(std::string_view bytes) noexcept
{
    std::uint64_t number = 0;
    for (std::size_t i = bytes.size(); i-- > 0;)
        number = number << 8 | static_cast<unsigned char>(bytes[i]);
    return number;
}

struct State {
    std::uint64_t v0, v1, v2, v3;

    void round() noexcept
    {
        v0 += v1;
        v1 = std::rotl(v1, 13) ^ v0;
        v0 = std::rotl(v0, 32);
        v2 += v3;
        v3 = std::rotl(v3, 16) ^ v2;
        v0 += v3;
        v3 = std::rotl(v3, 21) ^ v0;
        v2 += v1;
        v1 = std::rotl(v1, 17) ^ v2;
        v2 = std::rotl(v2, 32);
    }

    void take(std::uint64_t word) noexcept
    {
        v3 ^= word;
        round();
        round();
        v0 ^= word;
    }
};

} // namespace

std::uint64_t siphash(const std::array<std::uint64_t, 2>& key, std::string_view text) noexcept
{
    State state{key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
        key[1] ^ 0x7465646279746573};
    const auto length = static_cast<std::uint64_t>(text.size()) << 56; // its lowest byte, in the last word's highest
    for (; text.size() >= 8; text.remove_prefix(8))
        state.take(load(text.substr(0, 8)));
    state.take(load(text) | length);
    state.v2 ^= 0xff;
    for (int i = 0; i < 4; ++i)
        state.round();
    return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

} // namespace belay
