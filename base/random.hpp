#pragma once
#include <cstdint>
#include <span>

namespace belay {

/**
 * Random bytes for ids, from getrandom(2) by way of a reserve of the calling thread: a system call for each of them is
 * what takes longest of a small request.  Not for keys: bytes that are still to come lie in memory.  Thread-safe.
 *
 * A child that goes on after fork(2) without exec would have its parent's reserve; belay has none.
 * @throws std::system_error
 */
void fill_random(std::span<std::uint8_t> out);

} // namespace belay
