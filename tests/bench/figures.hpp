#pragma once
#include <sys/resource.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <span>
#include <vector>

namespace belay::bench {

/** User and system time of this process. */
inline double cpu_seconds()
{
    struct rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) { return double(time.tv_sec) + double(time.tv_usec) / 1e6; };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/** Of one figure of all slices. */
template <class Slice>
double median(const std::vector<Slice>& slices, double Slice::* value)
{
    std::vector<double> values;
    for (const Slice& slice : slices)
        values.push_back(slice.*value);
    std::nth_element(values.begin(), values.begin() + std::ptrdiff_t(values.size() / 2), values.end());
    return values[values.size() / 2];
}

/** That of the command line, if it is there. */
inline double number(std::span<char* const> arguments, std::size_t index, double otherwise)
{
    return arguments.size() > index ? std::atof(arguments[index]) : otherwise;
}

} // namespace belay::bench
