#include "base/random.hpp"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace belay {
namespace {

/** For some thirty requests, each of which then pays for that share of a system call. */
constexpr std::size_t reserve_bytes = 1024;

struct Reserve {
    std::array<std::uint8_t, reserve_bytes> bytes;
    std::size_t used = reserve_bytes;

    void refill()
    {
        // Beyond 256 bytes a signal may cut it short, getrandom(2).
        for (std::size_t filled = 0; filled < bytes.size();) {
            const ssize_t n = ::getrandom(bytes.data() + filled, bytes.size() - filled, 0);
            if (n > 0)
                filled += static_cast<std::size_t>(n);
            else if (errno != EINTR)
                throw std::system_error{errno, std::system_category(), "getrandom"};
        }
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
