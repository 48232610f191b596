#pragma once

namespace belay {

/** Empties `container` and gives its memory back, which clear() and `= {}` keep, and shrink_to_fit() may keep. */
template <class Container>
void free_memory(Container& container) noexcept
{
    Container{}.swap(container);
}

} // namespace belay
