#include "belayd/hooks/ed25519.hpp"

#include "belayd/hooks/encoding.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace belay::hooks {

bool is_of_small_order(std::string key)
{
    static constexpr auto encodings =
        std::to_array<std::string_view>({"0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"});
    key.back() = static_cast<char>(key.back() & 0x7f); // the sign of x
    return std::ranges::find(encodings, to_hex(bytes_of(key))) != encodings.end();
}

} // namespace belay::hooks
