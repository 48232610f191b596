#include "tests/allocations.hpp"

#include <cstdlib>
#include <new>

namespace {

thread_local std::size_t count = 0;

void* allocate(std::size_t size) noexcept
{
    ++count;
    return std::malloc(size);
}

} // namespace

std::size_t belay::allocations() noexcept
{
    return count;
}

/** In place of the C library's: Asio takes the frames of coroutines from it. */
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept
{
    ++count;
    void* memory = nullptr;
    return ::posix_memalign(&memory, alignment, size) == 0 ? memory : nullptr;
}

// Of the whole program.  The array forms call these.
void* operator new(std::size_t size)
{
    if (void* const memory = allocate(size))
        return memory;
    throw std::bad_alloc{};
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept
{
    return allocate(size);
}
void operator delete(void* memory) noexcept
{
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept
{
    std::free(memory);
}
