#include "base/random.hpp"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace belay {
namespace {

/** As much as getrandom(2) gives whole once its pool is ready; before, only EINTR is worth a retry. */
constexpr std::size_t reserve_bytes = 256;

struct Reserve {
    std::array<std::uint8_t, reserve_bytes> bytes;
    std::size_t used = reserve_bytes;

    void refill()
    {
        while (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
            if (errno != EINTR)
                throw std::system_error{errno, std::system_category(), "getrandom"};
        used = 0;
    }
};

thread_local Reserve reserve;

} // namespace

void fill_random(std::span<std::uint8_t> out)
{
    while (!out.empty()) {
        if (reserve.used == reserve_bytes)
            reserve.refill();
        const std::size_t count = std::min(out.size(), reserve_bytes - reserve.used);
        std::copy_n(reserve.bytes.begin() + static_cast<std::ptrdiff_t>(reserve.used), count, out.begin());
        reserve.used += count;
        out = out.subspan(count);
    }
}

} // namespace belay
