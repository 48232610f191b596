#pragma once
#include <cstddef>

namespace belay {

/** How often this thread has asked for memory, in a program that allocations.cpp is linked into. */
[[nodiscard]] std::size_t allocations() noexcept;

} // namespace belay
