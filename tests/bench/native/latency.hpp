#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace belay::bench {

/** How long requests took, in buckets of 1.6 % width from a microsecond on: adding one costs a nanosecond or two. */
class Latencies {
public:
    void add(std::chrono::nanoseconds duration) noexcept
    {
        const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(0, duration.count()));
        ++counts_[bucket_of(value)];
        ++total_;
        max_ = std::max(max_, value);
    }

    [[nodiscard]] std::size_t total() const noexcept { return total_; }
    [[nodiscard]] double max_ms() const noexcept { return static_cast<double>(max_) / 1e6; }

    /** The upper end of the bucket in which that share of all lies; 0 of none. */
    [[nodiscard]] double quantile_ms(double share) const noexcept
    {
        const auto wanted = static_cast<std::size_t>(share * static_cast<double>(total_));
        std::size_t seen = 0;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            seen += counts_[i];
            if (seen > wanted)
                return std::min(static_cast<double>(end_of(i)) / 1e6, max_ms());
        }
        return max_ms();
    }

private:
    static constexpr unsigned unit_bits = 10;  // nanoseconds below 1,024 are one bucket
    static constexpr unsigned detail_bits = 6; // of each power of two beyond

    static constexpr std::size_t bucket_of(std::uint64_t value) noexcept
    {
        const auto power = static_cast<unsigned>(std::bit_width(value >> unit_bits));
        if (power == 0)
            return 0;
        const auto detail = (value >> (power + unit_bits - 1 - detail_bits)) & ((1U << detail_bits) - 1);
        return ((static_cast<std::size_t>(power) - 1) << detail_bits) + detail + 1;
    }
    static constexpr std::uint64_t end_of(std::size_t bucket) noexcept
    {
        if (bucket == 0)
            return std::uint64_t{1} << unit_bits;
        const auto power = (bucket - 1) >> detail_bits;
        const auto detail = (bucket - 1) & ((1U << detail_bits) - 1);
        return ((std::uint64_t{1} << detail_bits) + detail + 1) << (power + unit_bits - detail_bits);
    }

    std::array<std::uint64_t, 40 * (1U << detail_bits)> counts_{};
    std::size_t total_ = 0;
    std::uint64_t max_ = 0;
};

} // namespace belay::bench
